//! Joins the parts of a workload's text.

/// `, what` for each that is so.
pub(super) fn joined(parts: &[(bool, String)]) -> String {
    let joined = parts.iter().filter(|(is_so, _)| *is_so);
    joined.map(|(_, what)| format!(", {what}")).collect()
}
