//! What a request says about the shape of its answer.

/// Says in the extensions of a gRPC request whether its answer is a stream.
///
/// It counts for more than [`Grpc::streams`](super::Grpc::streams) and [`Grpc::unary_only`](super::Grpc::unary_only).
///
/// ```
/// use tower_backoff::policy::Streams;
///
/// let watch = http::Request::post("https://api.example.com/grpc.health.v1.Health/Watch")
///     .extension(Streams::server_streaming())
///     .body(())?;
/// # drop(watch);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    is_stream: bool,
}

impl Streams {
    /// The answer is a stream of messages.
    pub const fn server_streaming() -> Self {
        Self { is_stream: true }
    }

    /// The answer is one message.
    pub const fn unary() -> Self {
        Self { is_stream: false }
    }

    /// Whether the answer is a stream of messages.
    pub const fn is_stream(self) -> bool {
        self.is_stream
    }
}
