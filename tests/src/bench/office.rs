//! What the exchange and a phone cost, idle and in a call.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use flows::office::{Office, SUPPORT};
use flows::program::{Program, memory_mb};
use serde_json::{Value, json};

use crate::figures::cpu_ms;

/// How long each state is watched.
const WATCH: Duration = Duration::from_secs(20);

pub async fn run() -> Result<Value> {
    let (pcmu, idle) = call("pcmu").await?;
    let (opus, _) = call("opus").await?;
    let ratio = |of: &Value, to: &Value| of.as_f64().unwrap_or_default() / to.as_f64().unwrap_or(f64::NAN);
    let phone = ratio(&opus["phone"]["cpu_ms_per_call_second"], &pcmu["phone"]["cpu_ms_per_call_second"]);
    Ok(json!({ "idle": idle, "pcmu": pcmu, "opus": opus, "phone_cpu_opus_over_pcmu": phone }))
}

/// One call through the relay with `codec` at both ends: (in the call, before it).
async fn call(codec: &str) -> Result<(Value, Value)> {
    let office = Office::open().await?;
    let ravi = office.colleague("ravi", &["--auto-answer", "--codec", codec]).await?;
    let idle = watch(&office.exchange.program, &ravi.program).await?;
    let mut priya = office.outsider_with("priya", "Priya Nair", "+919812345678", &["--codec", codec]).await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.event("answered").await?;
    let busy = watch(&office.exchange.program, &ravi.program).await?;
    priya.stop().await?;
    ravi.stop().await?;
    office.exchange.stop().await?;
    Ok((busy, idle))
}

async fn watch(exchange: &Program, phone: &Program) -> Result<Value> {
    let (begun, before) = (Instant::now(), [used(exchange)?, used(phone)?]);
    tokio::time::sleep(WATCH).await;
    let seconds = begun.elapsed().as_secs_f64();
    let figures = |program: &Program, before: f64| -> Result<Value> {
        Ok(json!({
            "cpu_ms_per_call_second": (used(program)? - before) / seconds,
            "memory_mb": memory_mb(program.id().context("it has ended")?)?,
        }))
    };
    Ok(json!({ "exchange": figures(exchange, before[0])?, "phone": figures(phone, before[1])? }))
}

fn used(program: &Program) -> Result<f64> {
    cpu_ms(program.id().context("it has ended")?)
}
