//! Segments of JSON pointers, as in the paths of patches (RFC 6901).

/// Escapes one segment.
pub(super) fn pointer(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}
