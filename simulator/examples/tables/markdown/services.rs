//! Locks, queues and cache by themselves, and a failure of the cluster.

use super::*;
use squall::history::Service;

impl Tables<'_> {
    pub(super) fn lock(&self) -> Result<String, String> {
        let report = self.report("lock-performance")?;
        let rows = ["acquire", "release"].map(|name| operation_row(report, "lock", name));
        let table = table(&OPERATIONS, &rows);
        Ok(self.part(
            "Locks",
            "lock-performance",
            &(self.overall(report) + &table),
        ))
    }

    pub(super) fn queue(&self) -> Result<String, String> {
        let report = self.report("queue-performance")?;
        // A receive brings several messages; what is dequeued is acknowledged one by one.
        let rows = [
            ("enqueue: publish", "publish"),
            ("dequeue: ack", "ack"),
            ("receive, several at a time", "receive"),
        ];
        let rows = rows.map(|(role, name)| {
            let mut row = operation_row(report, "queue", name);
            row[0] = role.to_owned();
            row
        });
        let queue = report.queue.as_ref().ok_or("no message was published")?;
        let messages = [
            count(queue.published),
            count(queue.consumed),
            count(report.data_loss.lost),
            count(report.data_loss.duplicated),
            count(queue.dead_letters),
            count(queue.depth_max),
            count(queue.depth_end),
        ];
        let columns = [
            ">published",
            ">consumed",
            ">lost",
            ">duplicated",
            ">dead-lettered",
            ">most waiting",
            ">left",
        ];
        let messages = table(&columns, &[messages.to_vec()]);
        let tables = table(&OPERATIONS, &rows) + "\n" + &messages;
        Ok(self.part(
            "Queue",
            "queue-performance",
            &(self.overall(report) + &tables),
        ))
    }

    pub(super) fn cache(&self) -> Result<String, String> {
        let report = self.report("cache-performance")?;
        let rows = ["get", "set"].map(|name| operation_row(report, "cache", name));
        let cache = report.cache.as_ref().ok_or("nothing was read")?;
        let heard = cache.invalidation_ms;
        let time = |ms: Option<squall::report::Ms>| or_nothing(ms, |ms| duration(ms.get()));
        let row = [
            objective(report, "hit_rate"),
            count(heard.count),
            time(heard.p50),
            time(heard.p99),
        ];
        let columns = [">hit rate", ">invalidations", ">heard after, p50", ">p99"];
        let heard = table(&columns, &[row.to_vec()]);
        let tables = table(&OPERATIONS, &rows) + "\n" + &heard;
        Ok(self.part(
            "Cache",
            "cache-performance",
            &(self.overall(report) + &tables),
        ))
    }

    pub(super) fn failure_recovery(&self) -> Result<String, String> {
        let report = self.report("failure-recovery")?;
        let time = |ms: Option<squall::report::Ms>| or_nothing(ms, |ms| duration(ms.get()));
        let recovery = |recovery: RecoveryTimes| time(recovery.times.max);
        let downtime = &report.downtime_ms;
        let down = |service: Option<squall::report::ServiceDowntime>| {
            or_nothing(service, |service| duration(service.max.get()))
        };
        let rows = [
            ("detection", time(report.detection_ms.max)),
            ("leader election", time(report.election_ms.max)),
            ("longest downtime: locks", down(downtime.of(Service::Lock))),
            (
                "longest downtime: queues",
                down(downtime.of(Service::Queue)),
            ),
            ("longest downtime: cache", down(downtime.of(Service::Cache))),
            (
                "recovery: service as before",
                recovery(report.recovery_ms.throughput),
            ),
            (
                "recovery: members caught up",
                recovery(report.recovery_ms.members),
            ),
            (
                "recovery: returned nodes caught up",
                recovery(report.recovery_ms.rejoin),
            ),
            ("acknowledged writes", count(report.data_loss.acked)),
            ("of them lost", count(report.data_loss.lost)),
            ("duplicated", count(report.data_loss.duplicated)),
        ];
        let rows = rows.map(|(name, value)| vec![name.to_owned(), value]);
        let table = table(&["measure", ">result"], &rows);
        Ok(self.part(
            "Failure recovery, two of five nodes",
            "failure-recovery",
            &table,
        ))
    }
}
