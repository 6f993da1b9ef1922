//! Decides which requests are allowed: those with the token, or without one those for this machine.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, HOST, HeaderMap};
use hyper::{Request, StatusCode, Uri};

/// Lets those in who bring the token; where there is none, whoever asks for this machine by an
/// address or as `localhost`.
pub struct Guard {
    token: Option<String>,
}

impl Guard {
    /// `None`: there is no token, on the loopback.
    pub fn new(token: Option<String>) -> Self {
        Self { token }
    }

    /// Whether the request may be answered; if not, with what.
    ///
    /// # Errors
    /// It may not.
    pub fn check<B>(&self, request: &Request<B>) -> Result<(), (StatusCode, &'static str)> {
        self.check_parts(request.uri(), request.headers())
    }

    fn check_parts(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), (StatusCode, &'static str)> {
        match &self.token {
            Some(token) => match token_of(uri, headers).is_some_and(|given| same(given, token)) {
                true => Ok(()),
                false => Err((
                    StatusCode::UNAUTHORIZED,
                    "the address that squall printed has a token in it, which is missing here; \
                     Prometheus brings it as a bearer token\n",
                )),
            },
            None if !is_of_this_machine(headers) => Err((
                StatusCode::FORBIDDEN,
                "ask for it by its address or as localhost, not by another name\n",
            )),
            None if is_of_another_page(headers) => Err((
                StatusCode::FORBIDDEN,
                "another page asks for this; open it by itself\n",
            )),
            None => Ok(()),
        }
    }
}

/// In the address, or as a bearer token.
fn token_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let pairs = uri.query().unwrap_or_default().split('&');
    let mut in_query = pairs.filter_map(|pair| pair.strip_prefix("token="));
    let in_header = headers.get(AUTHORIZATION);
    let in_header = in_header.and_then(|value| value.to_str().ok());
    let in_header = in_header.and_then(|value| value.strip_prefix("Bearer "));
    in_query.next().or(in_header)
}

/// Takes as long whatever is wrong.
fn same(given: &str, token: &str) -> bool {
    let differing = given.bytes().zip(token.bytes());
    let differing = differing.fold(0, |differing, (a, b)| differing | (a ^ b));
    given.len() == token.len() && differing == 0
}

fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let authority = host.to_str().ok();
    let authority = authority.and_then(|text| text.parse::<hyper::http::uri::Authority>().ok());
    authority.is_some_and(|authority| {
        let host = authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
    })
}

/// Whether the browser says that a page from elsewhere has it loaded, if only to use up the
/// streams: it could not read them. A link that somebody follows is none.
fn is_of_another_page(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|given| given == value);
    let is_ours = is("sec-fetch-site", "same-origin") || is("sec-fetch-site", "none");
    let is_link = is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document");
    headers.contains_key("sec-fetch-site") && !is_ours && !is_link
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(token: Option<&str>, path: &str, headers: &[(&str, &str)]) -> Option<StatusCode> {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        let guard = Guard::new(token.map(str::to_owned));
        guard.check(&request).err().map(|(status, _)| status)
    }

    #[test]
    fn on_the_loopback_names_are_refused() {
        let host = |host| check(None, "/", &[("host", host)]);
        for fine in [
            "localhost:7665",
            "127.0.0.1:7665",
            "[::1]:7665",
            "LOCALHOST",
            "10.0.0.1",
        ] {
            assert_eq!(host(fine), None, "{fine}");
        }
        for other in [
            "evil.example:7665",
            "localhost.evil.example",
            "",
            "127.0.0.1.evil",
        ] {
            assert_eq!(host(other), Some(StatusCode::FORBIDDEN), "{other}");
        }
        assert_eq!(check(None, "/", &[]), Some(StatusCode::FORBIDDEN));
        let two = [("host", "localhost"), ("host", "evil")];
        assert_eq!(check(None, "/", &two), Some(StatusCode::FORBIDDEN));
    }

    #[test]
    fn on_the_loopback_other_pages_load_nothing() {
        let fetched = |site, mode, dest| {
            let headers = [
                ("host", "localhost:7665"),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", mode),
                ("sec-fetch-dest", dest),
            ];
            check(None, "/events", &headers)
        };
        for site in ["same-origin", "none"] {
            assert_eq!(fetched(site, "cors", "empty"), None, "{site}");
        }
        for site in ["cross-site", "same-site", ""] {
            for (mode, dest) in [("no-cors", "image"), ("navigate", "iframe")] {
                let refused = Some(StatusCode::FORBIDDEN);
                assert_eq!(fetched(site, mode, dest), refused, "{site} {mode} {dest}");
            }
            assert_eq!(fetched(site, "navigate", "document"), None, "a link");
        }
    }

    #[test]
    fn elsewhere_a_token_is_needed_and_enough() {
        let token = Some("secret");
        assert_eq!(check(token, "/?token=secret", &[("host", "name:1")]), None);
        assert_eq!(check(token, "/?a=b&token=secret", &[]), None);
        assert_eq!(
            check(token, "/metrics", &[("authorization", "Bearer secret")]),
            None
        );
        for path in [
            "/",
            "/?token=",
            "/?token=secre",
            "/?token=secrets",
            "/?Token=secret",
        ] {
            let refused = Some(StatusCode::UNAUTHORIZED);
            assert_eq!(
                check(token, path, &[("host", "localhost")]),
                refused,
                "{path}"
            );
        }
    }
}
