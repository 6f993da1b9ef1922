//! Keeps users, their passwords and their rights, as Redis' `ACL` does.
//!
//! `on`, `off`, `nopass`, `>password`, `~pattern`, `allkeys`, `resetkeys`, `+@category`,
//! `-@category`, `+command`, `-command`; the later word counts. A new user is on, without any
//! right. Without a user or a password in the options, everybody is `default` and may do
//! everything.

use bytes::Bytes;

use crate::protocol::Spec;
use crate::state::glob;

/// The user that a connection is until it says otherwise.
pub const DEFAULT_USER: &str = "default";

/// All users of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    users: Vec<User>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    is_on: bool,
    /// Whether no password is asked for.
    is_open: bool,
    passwords: Vec<String>,
    keys: Vec<Bytes>,
    /// In the order given: whether it allows, and which commands.
    rules: Vec<(bool, Rule)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    All,
    /// With its `@`.
    Category(String),
    Command(String),
}

/// Why a rule of a user is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The rule, and whose it is.
    #[error(
        "rule `{0}` of user `{1}`: expected on, off, nopass, >password, ~pattern, allkeys, \
         resetkeys, +@category, -@category, +command or -command"
    )]
    Rule(String, String),
    /// Its name.
    #[error("user `{0}` is given twice")]
    Twice(String),
    /// A line has no name, or no rules.
    #[error("a user has a name and rules, as in `alice on >secret ~jobs:* +@all -@admin`")]
    NoName,
}

impl Default for Access {
    /// Everybody may do everything.
    fn default() -> Self {
        let everybody = User {
            is_open: true,
            keys: vec![Bytes::from_static(b"*")],
            rules: vec![(true, Rule::All)],
            ..User::new(DEFAULT_USER)
        };
        Self {
            users: vec![everybody],
        }
    }
}

impl Access {
    /// `password`, if given, is that of the default user, who may do everything; each of
    /// `users` is a name and its rules.
    ///
    /// # Errors
    /// A rule is none, or a name comes twice.
    pub fn new(password: Option<&str>, users: &[String]) -> Result<Self, AccessError> {
        let mut access = Self::default();
        if let Some(password) = password {
            access.users[0].is_open = false;
            access.users[0].passwords.push(password.into());
        }
        let mut named = Vec::new();
        for line in users {
            let mut words = line.split_whitespace();
            let name = words.next().ok_or(AccessError::NoName)?;
            if named.contains(&name) {
                return Err(AccessError::Twice(name.into()));
            }
            named.push(name);
            let mut user = User::new(name);
            for word in words {
                user.take(word)?;
            }
            match access.users.iter_mut().find(|known| known.name == name) {
                Some(known) => *known = user,
                None => access.users.push(user),
            }
        }
        Ok(access)
    }

    /// Whether everybody may do everything.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Who a connection is that has not said so; `None`: nobody.
    pub(super) fn anybody(&self) -> Option<&User> {
        let user = self.users.iter().find(|user| user.name == DEFAULT_USER);
        user.filter(|user| user.is_on && user.is_open)
    }

    /// The user of this name, if the password is right.
    pub(super) fn login(&self, name: &[u8], password: &[u8]) -> Option<&User> {
        let user = self
            .users
            .iter()
            .find(|user| user.name.as_bytes() == name)?;
        let known = |known: &String| is_same(known.as_bytes(), password);
        // All are compared, so that the time tells nothing of which it was.
        let fits = user
            .passwords
            .iter()
            .fold(false, |fits, one| fits | known(one));
        (user.is_on && (user.is_open || fits)).then_some(user)
    }
}

/// Compares in a time that depends on the lengths alone.
fn is_same(left: &[u8], right: &[u8]) -> bool {
    let differences = left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b));
    left.len() == right.len() && differences == 0
}

impl User {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            is_on: true,
            is_open: false,
            passwords: Vec::new(),
            keys: Vec::new(),
            rules: Vec::new(),
        }
    }

    fn take(&mut self, word: &str) -> Result<(), AccessError> {
        let wrong = || AccessError::Rule(word.into(), self.name.clone());
        let (sign, rest) = word.split_at_checked(1).ok_or_else(wrong)?;
        match (word, sign, rest) {
            ("on", ..) => self.is_on = true,
            ("off", ..) => self.is_on = false,
            ("nopass", ..) => self.is_open = true,
            ("allkeys", ..) => self.keys.push(Bytes::from_static(b"*")),
            ("resetkeys", ..) => self.keys.clear(),
            ("allcommands", ..) => self.rules.push((true, Rule::All)),
            ("nocommands", ..) => self.rules.push((false, Rule::All)),
            (_, ">", password) => self.passwords.push(password.into()),
            (_, "~", pattern) => self.keys.push(Bytes::copy_from_slice(pattern.as_bytes())),
            (_, "+" | "-", "@all") => self.rules.push((sign == "+", Rule::All)),
            (_, "+" | "-", name) if is_category(name) => {
                self.rules.push((sign == "+", Rule::Category(name.into())));
            }
            (_, "+" | "-", name) if Spec::find(name.as_bytes()).is_some() => {
                let name = name.to_ascii_lowercase();
                self.rules.push((sign == "+", Rule::Command(name)));
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// Whether this command with these arguments is allowed, the name being the first of them.
    pub(super) fn may_run(&self, spec: &Spec, args: &[Bytes]) -> bool {
        let categories = spec.flags_of(args).categories();
        let fits = |rule: &Rule| match rule {
            Rule::All => true,
            Rule::Category(name) => categories.contains(&name.as_str()),
            Rule::Command(name) => spec.name == name,
        };
        let last = self.rules.iter().rev().find(|(_, rule)| fits(rule));
        last.is_some_and(|(allows, _)| *allows)
    }

    pub(super) fn may_touch(&self, key: &[u8]) -> bool {
        self.keys.iter().any(|pattern| glob::matches(pattern, key))
    }

    pub(super) fn may_touch_all(&self) -> bool {
        self.keys.iter().any(|pattern| pattern == "*")
    }
}

fn is_category(name: &str) -> bool {
    let specs = crate::protocol::COMMANDS.iter();
    specs
        .flat_map(|spec| spec.flags.categories())
        .any(|category| category == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str) -> &'static Spec {
        Spec::find(name.as_bytes()).expect("it is a command")
    }

    fn access(password: Option<&str>, users: &[&str]) -> Result<Access, AccessError> {
        let users: Vec<String> = users.iter().map(|&user| user.into()).collect();
        Access::new(password, &users)
    }

    #[test]
    fn without_users_everybody_may_do_everything() {
        let open = access(None, &[]).expect("nothing is wrong with it");
        assert!(open.is_open());
        let anybody = open.anybody().expect("anybody is let in");
        assert!(anybody.may_run(spec("shutdown"), &[]) && anybody.may_touch(b"k"));
    }

    #[test]
    fn a_password_of_the_default_user_is_asked_of_everybody() {
        let closed = access(Some("secret"), &[]).expect("nothing is wrong with it");
        assert!(!closed.is_open());
        assert_eq!(closed.anybody(), None);
        assert_eq!(closed.login(b"default", b"wrong"), None);
        assert_eq!(closed.login(b"default", b"secre"), None);
        assert_eq!(closed.login(b"nobody", b"secret"), None);
        assert!(closed.login(b"default", b"secret").is_some());
    }

    #[test]
    fn rules_count_in_their_order() {
        let rules = "alice on >one >two ~jobs:* +@all -@admin +raft.status -flushall";
        let access = access(Some("root"), &[rules, "bob off >x +@all", "default off"]);
        let access = access.expect("nothing is wrong with it");
        let alice = access
            .login(b"alice", b"two")
            .expect("she has two passwords");
        for (name, expected) in [
            ("get", true),
            ("raft.status", true),
            ("raft.add", false),
            ("shutdown", false),
            ("flushall", false),
            ("flushdb", true),
        ] {
            assert_eq!(alice.may_run(spec(name), &[]), expected, "{name}");
        }
        assert!(alice.may_touch(b"jobs:1") && !alice.may_touch(b"other"));
        assert_eq!(access.login(b"bob", b"x"), None, "he is off");
        assert_eq!(access.login(b"default", b"root"), None, "it is off");
    }

    #[test]
    fn a_command_is_for_operators_where_it_is_about_others() {
        let users = [
            "app on nopass +@all -@admin",
            "ops on nopass +@all -@admin +client",
        ];
        let access = access(None, &users).expect("nothing is wrong with it");
        let may = |user: &str, verb: &'static str| {
            let args = ["client", verb].map(|word| Bytes::from_static(word.as_bytes()));
            let user = access
                .login(user.as_bytes(), b"")
                .expect("no password is asked for");
            user.may_run(spec("client"), &args)
        };
        for (verb, expected) in [
            ("kill", false),
            ("LIST", false),
            ("Info", true),
            ("id", true),
            ("SETNAME", true),
        ] {
            assert_eq!(may("app", verb), expected, "{verb}");
            assert!(may("ops", verb), "{verb} is named to him");
        }
    }

    #[test]
    fn what_is_no_rule_is_named() {
        let error = access(None, &["alice +@nothing"]).expect_err("no such category");
        assert!(
            error
                .to_string()
                .starts_with("rule `+@nothing` of user `alice`")
        );
        assert!(access(None, &["alice what"]).is_err());
        assert!(access(None, &["a on", "a off"]).is_err());
        assert!(access(None, &[" "]).is_err());
    }
}
