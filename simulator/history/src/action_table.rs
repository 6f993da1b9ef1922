//! The macro that makes of the table of operations their type, their rows and their words.
//!
//! Used once, in [`action`](super::action), whose names it takes.

macro_rules! operations {
    ($(
        $(#[$doc:meta])*
        $service:ident $class:ident $name:literal $(of $key:ident)? $(by $share:ident)? => $variant:ident {
            $( $(#[$attribute:meta])* $field:ident: $type:ty ),* $(,)?
        }
        answered by $answer:pat $(if $guard:expr)?,
        says $words:expr;
    )*) => {
        /// What a client asks. Every written value is unique within a run.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "f")]
        pub enum Action {
            $(
                $(#[$doc])*
                #[serde(rename = $name)]
                // The words of a row say what its fields are for.
                $variant { $( $(#[$attribute])* #[allow(missing_docs)] $field: $type ),* },
            )*
            /// Of a service from outside.
            #[serde(rename = "call")]
            Call(Call),
        }

        /// The operations of the services that ship.
        pub const OPERATIONS: &[OperationInfo] = &[$(
            OperationInfo {
                service: Service::$service,
                name: $name,
                class: OperationClass::$class,
                by_share: !<[&str]>::is_empty(&[$(stringify!($share))?]),
            }
        ),*];

        impl Action {
            /// Its row of the table.
            pub fn info(&self) -> OperationInfo {
                match self {
                    $(Action::$variant { .. } => OperationInfo {
                        service: Service::$service,
                        name: $name,
                        class: OperationClass::$class,
                        by_share: !<[&str]>::is_empty(&[$(stringify!($share))?]),
                    },)*
                    Action::Call(call) => OperationInfo {
                        service: call.service,
                        name: call.operation.text(),
                        class: call.class,
                        by_share: false,
                    },
                }
            }

            /// The lock, queue or key that it is about, if it is about one.
            pub fn key(&self) -> Option<&str> {
                match self {
                    $($(Action::$variant { $key, .. } => Some($key),)?)*
                    Action::Call(call) => call.key.as_deref(),
                    _ => None,
                }
            }

            /// Whether `outcome`, which is no failure, can answer it.
            #[allow(unused_variables)]
            fn takes(&self, outcome: &Outcome) -> bool {
                match self {
                    $(Action::$variant { $($field),* } => matches!(outcome, $answer $(if $guard)?),)*
                    Action::Call(_) => matches!(outcome, Outcome::Answered { .. }),
                }
            }
        }

        /// For a reader who knows neither the history file nor the code.
        impl fmt::Display for Action {
            #[allow(unused_variables)]
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let words = match self {
                    $(Action::$variant { $($field),* } => $words,)*
                    Action::Call(call) => call.to_string(),
                };
                f.write_str(&words)
            }
        }
    };
}

pub(super) use operations;
