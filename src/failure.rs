//! Was it sent? What a transport error proves about the request.
