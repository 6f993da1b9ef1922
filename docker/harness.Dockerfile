# The harness: `squall` with its scenarios, the node that it starts in containers, and
# iptables. `docker/build-harness` makes the context, `root`, from programs of this repository
# and of distribution packages; there is no shell in it.
FROM scratch
COPY root /
ENV PATH=/usr/sbin:/usr/bin SQUALL_NODE=/usr/bin/squall-node
WORKDIR /squall
VOLUME /squall/runs
ENTRYPOINT ["/usr/bin/squall"]
CMD ["--help"]
