use tauri_build::{AppManifest, Attributes};

/// Every command of `src-tauri/commands.rs`: only what is listed here can be allowed in `capabilities/`.
const COMMANDS: &[&str] =
    &["view", "wish", "sign_in", "save_account", "export_logs", "fit_ring", "watch_levels", "unwatch_levels"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The window's pages are embedded at compile time, so they must exist; a checkout that has not built them yet
    // still compiles (tests, clippy) and shows a page that says what to do.
    let dist = std::path::Path::new("ui/dist");
    if !dist.join("index.html").exists() {
        std::fs::create_dir_all(dist)?;
        std::fs::write(dist.join("index.html"), "<p>Build the pages first: npm --prefix ui run build</p>")?;
    }
    println!("cargo::rerun-if-changed=ui/dist");
    tauri_build::try_build(Attributes::new().app_manifest(AppManifest::new().commands(COMMANDS)))?;
    Ok(())
}
