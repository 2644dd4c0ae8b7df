//! Header names as a caller writes them.

use http::HeaderName;

/// Checks the name of a header, which is a text or a `HeaderName`.
///
/// # Panics
///
/// If it is no legal name.
#[track_caller]
pub(crate) fn header_name(name: impl TryInto<HeaderName> + AsRef<str>) -> HeaderName {
    let written = name.as_ref().to_owned();
    match name.try_into() {
        Ok(name) => name,
        Err(_) => panic!("{written:?} is no name of a header: write it such as \"x-retry-in\""),
    }
}
