//! A Redis of one's own, and what breaks it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Redis {
    port: u16,
    process: Option<Child>,
}

impl Redis {
    /// Reserves a port, and starts the server on it if that is wanted.
    pub fn start(is_there: bool) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let port = listener
            .local_addr()
            .map_err(|error| error.to_string())?
            .port();
        drop(listener);
        let mut redis = Self {
            port,
            process: None,
        };
        if is_there {
            redis.restart()?;
        }
        Ok(redis)
    }

    /// Starts it, empty.
    pub fn restart(&mut self) -> Result<(), String> {
        let args = [
            "--save",
            "",
            "--appendonly",
            "no",
            "--bind",
            "127.0.0.1",
            "--port",
        ];
        let start = |program: &str| {
            Command::new(program)
                .args(args)
                .arg(self.port.to_string())
                .stdout(Stdio::null())
                .spawn()
        };
        let process = start("redis-server").or_else(|_| start("valkey-server"));
        let process =
            process.map_err(|_| "install a server: apt-get install redis-server".to_owned())?;
        self.process = Some(process);
        let begun = Instant::now();
        while self.command(&["PING"]).is_err() {
            if begun.elapsed() > Duration::from_secs(5) {
                return Err("the server does not reply".to_owned());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub fn signal(&self, name: &str) {
        if let Some(process) = &self.process {
            super::processes::signal(process.id(), name);
        }
    }

    /// Sends one command, and returns the raw reply.
    pub fn command(&self, words: &[&str]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        let mut message = format!("*{}\r\n", words.len());
        for word in words {
            message.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.write_all(message.as_bytes())?;
        let mut reply = [0; 16_384];
        let read = stream.read(&mut reply)?;
        Ok(String::from_utf8_lossy(&reply[..read]).into_owned())
    }

    /// How many scripts it has run, and how many microseconds each took on average.
    pub fn scripts(&self) -> (u64, f64) {
        let stats = self.command(&["INFO", "commandstats"]).unwrap_or_default();
        let scripts = stats.lines().filter(|line| {
            line.starts_with("cmdstat_evalsha:") || line.starts_with("cmdstat_eval:")
        });
        let value = |line: &str, name: &str| -> f64 {
            let from = line.find(name).map_or(0, |at| at + name.len());
            let rest = &line[from..];
            let end = rest.find(',').unwrap_or(rest.len());
            rest[..end].parse().unwrap_or_default()
        };
        let (calls, micros) = scripts.fold((0.0, 0.0), |(calls, micros), line| {
            (calls + value(line, "calls="), micros + value(line, "usec="))
        });
        (calls as u64, if calls > 0.0 { micros / calls } else { 0.0 })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.signal("CONT");
        self.kill();
    }
}
