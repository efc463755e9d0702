//! Reading and writing the header maps of frameworks.

/// [`HeadersMut`](crate::adapter::HeadersMut) for a `HeaderMap`, functions that read one, and `Target`.
/// actix-web and the crate `http` have the same types in different versions: `$http` is the module or crate
/// with theirs.
macro_rules! header_map {
    ($vis:vis $http:ident) => {
        use $http::header::{HeaderMap, HeaderName, HeaderValue};
        use $http::{Method, Uri};

        /// The names that most requests and responses are asked for, which need not be read. Inlined, so that
        /// the compiler compares the names.
        #[inline(always)]
        fn known_name(name: &str) -> Option<HeaderName> {
            Some(match name {
                "authorization" => $http::header::AUTHORIZATION,
                "cache-control" => $http::header::CACHE_CONTROL,
                "content-type" => $http::header::CONTENT_TYPE,
                "cookie" => $http::header::COOKIE,
                "origin" => $http::header::ORIGIN,
                "set-cookie" => $http::header::SET_COOKIE,
                "upgrade" => $http::header::UPGRADE,
                "vary" => $http::header::VARY,
                _ => return None,
            })
        }

        #[inline(always)]
        fn header_name(name: &'static str) -> HeaderName {
            known_name(name).unwrap_or_else(|| HeaderName::from_static(name))
        }

        /// The value of a header. Those that are on most responses are not copied.
        #[inline(always)]
        fn header_value(value: &str) -> Option<HeaderValue> {
            static BY_COOKIE: HeaderValue = HeaderValue::from_static("Cookie");
            static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

            match value {
                "Cookie" => Some(BY_COOKIE.clone()),
                "no-store" => Some(NO_STORE.clone()),
                other => HeaderValue::try_from(other).ok(),
            }
        }

        #[inline(always)]
        fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
            let values = match known_name(name) {
                Some(name) => headers.get_all(name),
                None => headers.get_all(name),
            };
            values.into_iter().map(HeaderValue::as_bytes)
        }

        /// The value of the one `Host` header.
        fn host_header(headers: &HeaderMap) -> Option<&str> {
            let mut hosts = headers.get_all($http::header::HOST).into_iter();
            match (hosts.next(), hosts.next()) {
                (Some(host), None) => host.to_str().ok(),
                _ => None,
            }
        }

        /// The values of `Accept`, separated by commas.
        fn accept<'a>(values: impl Iterator<Item = &'a HeaderValue>) -> std::borrow::Cow<'a, str> {
            let mut values = values.filter_map(|value| value.to_str().ok());
            let first = values.next().unwrap_or_default();
            match values.next() {
                None => first.into(),
                Some(second) => {
                    let rest: Vec<_> = values.collect();
                    [&[first, second], &rest[..]].concat().join(",").into()
                }
            }
        }

        /// What a client requested, kept for [`deny`](crate::adapter::deny) and
        /// [`finish`](crate::adapter::finish).
        #[derive(Clone, Debug)]
        $vis struct Target {
            method: Method,
            uri: Uri,
            /// Few clients send more than one.
            accept: [Option<HeaderValue>; 2],
        }

        impl Target {
            /// Takes the `uri` as the client sent it, because nested routers change it. Nothing is copied.
            #[must_use]
            $vis fn new(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
                let mut accept = headers.get_all($http::header::ACCEPT).into_iter();
                Self {
                    method: method.clone(),
                    uri: uri.clone(),
                    accept: [accept.next().cloned(), accept.next().cloned()],
                }
            }
        }

        impl crate::headers::denial::RequestTarget for Target {
            fn method(&self) -> &str {
                self.method.as_str()
            }

            fn path_and_query(&self) -> Option<&str> {
                self.uri.path_and_query().map(|target| target.as_str())
            }

            fn accept(&self) -> std::borrow::Cow<'_, str> {
                accept(self.accept.iter().flatten())
            }
        }

        impl crate::headers::HeadersMut for HeaderMap {
            #[inline(always)]
            fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
                values(self, name)
            }

            #[inline(always)]
            fn append(&mut self, name: &'static str, value: &str) {
                let name = header_name(name);
                // What cannot stand in a header was refused before.
                if let Some(mut value) = header_value(value) {
                    value.set_sensitive(name == $http::header::SET_COOKIE);
                    Self::append(self, name, value);
                }
            }

            fn remove(&mut self, name: &'static str, is_meant: impl Fn(&[u8]) -> bool) {
                if !values(self, name).any(&is_meant) {
                    return;
                }
                let name = header_name(name);
                let all: Vec<_> = self.get_all(&name).into_iter().cloned().collect();
                Self::remove(self, &name);
                for other in all.into_iter().filter(|value| !is_meant(value.as_bytes())) {
                    Self::append(self, name.clone(), other);
                }
            }
        }
    };
}
pub(crate) use header_map;
