//! What every scripted server shares: a free port, one task per connection, counters, and an end.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A listening port; dropping it ends the server and every connection.
#[derive(Debug)]
pub struct Listener {
    addr: SocketAddr,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens on a free port of 127.0.0.1 and gives `serve` each connection with its number, from 1.
    pub async fn start<F, S>(serve: S) -> Self
    where
        S: Fn(TcpStream, usize) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = bind().await;
        let addr = listener
            .local_addr()
            .expect("a bound socket has an address");
        let accepted = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(accept(listener, Arc::clone(&accepted), serve));
        Self {
            addr,
            accepted,
            task,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn bind() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port on the loopback")
}

/// The set of connections lives in this task, so that they end with it.
async fn accept<F, S>(listener: TcpListener, accepted: Arc<AtomicUsize>, serve: S)
where
    S: Fn(TcpStream, usize) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let nth = accepted.fetch_add(1, Ordering::SeqCst) + 1;
        let _ = stream.set_nodelay(true);
        connections.spawn(serve(stream, nth));
        while connections.try_join_next().is_some() {}
    }
}

/// A port where nothing listens: it was free a moment ago.
pub async fn refusing() -> SocketAddr {
    bind()
        .await
        .local_addr()
        .expect("a bound socket has an address")
}

/// Closes with RST instead of FIN: the other side sees "connection reset".
pub fn reset(stream: TcpStream) {
    stream
        .set_zero_linger()
        .expect("lingering can be turned off");
}
