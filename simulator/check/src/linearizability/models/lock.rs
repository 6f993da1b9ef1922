//! A lock, shared and exclusive, with fencing tokens, with or without leases.
//!
//! Sources: Courtois, Heymans & Parnas, "Concurrent control with readers and writers" (1971);
//! Kleppmann, "How to do distributed locking" (2016), for tokens; Gray & Cheriton, "Leases"
//! (1989). With leases a hold may end at any moment without a word. The lock then forgets a
//! hold only when an answer says that it is gone, or another hold is granted that excludes
//! it, to another owner or to the same one without an answer: forgetting earlier would
//! explain nothing more.
//!
//! Left out: refusals of an acquire. A wait that ended without the lock, or a try, may have
//! met others in the line that no history shows.

use super::super::Specification;

#[derive(Debug, Clone, Copy)]
pub struct Lock {
    /// Whether a hold may end by itself.
    pub leases: bool,
}

/// `owner` is whoever can hold it once: a client, or a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockCall {
    Grant {
        owner: u64,
        shared: bool,
        /// `None` where there are no tokens, or the client did not receive it.
        token: Option<u64>,
    },
    Release {
        owner: u64,
        token: Option<u64>,
    },
    /// The owner was answered that it does not hold the lock.
    NotHeld {
        owner: u64,
        token: Option<u64>,
    },
    /// Whatever the owner held is given up.
    Close {
        owner: u64,
    },
    /// The fenced resource accepted the token.
    Accepted {
        token: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hold {
    owner: u64,
    shared: bool,
    token: Option<u64>,
    /// While the token is not known: known ones granted before and after it.
    above: Option<u64>,
    below: Option<u64>,
}

impl Hold {
    /// Whether the hold may have this token, as far as is known.
    fn may_have(&self, token: Option<u64>) -> bool {
        let Some(token) = token else { return true };
        match self.token {
            Some(own) => own == token,
            None => self.above < Some(token) && self.below.is_none_or(|below| token < below),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LockState {
    /// In the order of their grants, which is that of their tokens, known or not.
    holds: Box<[Hold]>,
    /// The largest token granted, and the largest accepted.
    last_token: Option<u64>,
    accepted: u64,
}

impl Lock {
    fn grant(
        &self,
        state: &LockState,
        owner: u64,
        shared: bool,
        token: Option<u64>,
    ) -> Option<LockState> {
        // With leases, only a grant that was not answered has no token. Granting again
        // what one holds would change nothing, so if it did anything, the hold had ended and
        // this is a new one.
        let is_new = self.leases && token.is_none();
        let own = state.holds.iter().find(|hold| hold.owner == owner);
        if let Some(held) = own.filter(|_| !is_new) {
            let granted_again = again(state, *held, shared, token);
            if granted_again.is_some() || !self.leases {
                return granted_again;
            }
        }
        if token.is_some() && token <= state.last_token {
            return None;
        }
        let excluded = |hold: &&Hold| !shared || !hold.shared || hold.owner == owner;
        if !self.leases && state.holds.iter().any(|hold| excluded(&hold)) {
            return None;
        }
        let kept = state.holds.iter().filter(|hold| !excluded(hold));
        let kept = kept.map(|hold| match hold.token {
            Some(_) => *hold,
            None => Hold {
                below: hold.below.or(token),
                ..*hold
            },
        });
        let new = Hold {
            owner,
            shared,
            token,
            above: state.last_token.filter(|_| token.is_none()),
            below: None,
        };
        Some(LockState {
            holds: kept.chain([new]).collect(),
            last_token: token.or(state.last_token),
            ..*state
        })
    }

    /// After the hold of `owner` with `token` is gone; `None` if there is none.
    fn without(state: &LockState, owner: u64, token: Option<u64>) -> Option<LockState> {
        let fits = |hold: &&Hold| hold.owner == owner && hold.may_have(token);
        let gone = *state.holds.iter().find(fits)?;
        let kept = state.holds.iter().filter(|hold| **hold != gone);
        Some(LockState {
            holds: kept.copied().collect(),
            ..*state
        })
    }
}

/// Asking again for what one holds changes nothing, except that a token may become known.
/// Holds that were granted earlier then have a smaller one, later ones a larger one.
fn again(state: &LockState, held: Hold, shared: bool, token: Option<u64>) -> Option<LockState> {
    if held.shared != shared || !held.may_have(token) {
        return None;
    }
    let Some(token) = token.filter(|_| held.token.is_none()) else {
        return Some(state.clone());
    };
    let mut holds = state.holds.clone();
    let own = holds.iter().position(|hold| *hold == held)?;
    holds[own] = Hold {
        token: Some(token),
        above: None,
        below: None,
        ..held
    };
    let (earlier, later) = holds.split_at_mut(own);
    for hold in earlier.iter_mut().filter(|hold| hold.token.is_none()) {
        hold.below = Some(hold.below.map_or(token, |below| below.min(token)));
    }
    for hold in later.iter_mut().filter(|hold| hold.token.is_none()) {
        hold.above = hold.above.max(Some(token));
    }
    Some(LockState {
        holds,
        last_token: state.last_token.max(Some(token)),
        ..*state
    })
}

impl Specification for Lock {
    type Operation = LockCall;
    type State = LockState;

    fn initial(&self) -> LockState {
        LockState {
            holds: Box::default(),
            last_token: None,
            accepted: 0,
        }
    }

    fn apply(&self, state: &LockState, call: &LockCall) -> Option<LockState> {
        match *call {
            LockCall::Grant {
                owner,
                shared,
                token,
            } => self.grant(state, owner, shared, token),
            LockCall::Release { owner, token } => Self::without(state, owner, token),
            LockCall::NotHeld { owner, token } => {
                // A hold whose token is not known may well be another one.
                let surely = |hold: &Hold| hold.owner == owner && hold.token == token;
                match state.holds.iter().any(surely) {
                    false => Some(state.clone()),
                    true if self.leases => Self::without(state, owner, token),
                    true => None,
                }
            }
            LockCall::Close { owner } => {
                Some(Self::without(state, owner, None).unwrap_or_else(|| state.clone()))
            }
            LockCall::Accepted { token } => (token >= state.accepted).then(|| LockState {
                accepted: token,
                ..state.clone()
            }),
        }
    }

    fn is_read(&self, call: &LockCall) -> bool {
        // Without leases it fits only where it changes nothing.
        matches!(call, LockCall::NotHeld { .. }) && !self.leases
    }

    fn state_bytes(&self, state: &LockState) -> usize {
        size_of_val(&*state.holds)
    }

    fn cost(&self, state: &LockState, _call: &LockCall) -> u64 {
        1 + state.holds.len() as u64 / 16
    }
}
