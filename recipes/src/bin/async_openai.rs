//! async-openai
//!
//! With its feature `middleware` the client takes a tower service, which replaces its own retries: they are a layer of the
//! default service. It needs the same reqwest as ours, 0.13. `OpenAIError::Boxed` is transparent and so hides the error that
//! it has in it from `source()`: match it first, then ask `NotBefore::find`.

// recipe: begin
use std::time::Duration;

use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::{Client, middleware::HttpRequestFactory};
use tower::{Layer, service_fn};
use tower_backoff::client::reqwest::{ReqwestService, execute};
use tower_backoff::{BoxError, NotBefore, RetryLayer, providers};

/// One for the whole program; clones share their gates.
fn openai(config: OpenAIConfig) -> Result<Client<OpenAIConfig>, BoxError> {
    let client = ReqwestService::from_builder(reqwest::Client::builder())?;
    let retry = RetryLayer::new(providers::openai()).end_with_not_before();
    let service = retry.layer(client);
    Ok(Client::with_config(config).with_http_service(service_fn(
        move |request: HttpRequestFactory| {
            let service = service.clone();
            async move {
                execute(&service, request.build().await?)
                    .await
                    .map_err(OpenAIError::Boxed)
            }
        },
    )))
}

/// How long to wait, if that was why the call ended.
fn wait(error: &OpenAIError) -> Option<Duration> {
    match error {
        OpenAIError::Boxed(error) => NotBefore::find(&**error).map(NotBefore::wait),
        _ => None,
    }
}
// recipe: end

use http::Response;
use recipes::{Scenes, Server};

const ANSWER: &str =
    r#"{"id":"1","object":"chat.completion","created":1,"model":"small","choices":[]}"#;

fn client(server: &Server) -> Result<Client<OpenAIConfig>, BoxError> {
    openai(
        OpenAIConfig::new()
            .with_api_base(server.url("/v1"))
            .with_api_key("secret"),
    )
}

async fn ask(client: &Client<OpenAIConfig>) -> Result<(), BoxError> {
    let question = serde_json::from_str(
        r#"{"model":"small","messages":[{"role":"user","content":"What is the weather like?"}]}"#,
    )?;
    let question: async_openai::types::chat::CreateChatCompletionRequest = question;
    client.chat().create(question).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let scenes = Scenes::of("async-openai");
    let answer = |_: &_| Response::new(ANSWER.to_owned());

    let server = Server::start(answer).await;
    let openai = client(&server)?;
    scenes
        .refused_call(&server.limiter, async || ask(&openai).await)
        .await?;
    let received = server.received();
    assert_eq!(received[0].body, received[1].body);

    let server = Server::start(answer).await;
    let openai = client(&server)?;
    let find = |error: &BoxError| wait(error.downcast_ref()?);
    scenes
        .past_patience(&server.limiter, async || ask(&openai).await, find)
        .await;

    let server = Server::start(answer).await;
    let openai = client(&server)?;
    scenes
        .published_quota(&server.limiter, async || ask(&openai).await)
        .await
}
