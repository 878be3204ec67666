//! Desktop notifications, for when the window is not looked at.

use notify_rust::{Notification, Timeout};

/// Shows `sentence`. Returns at once; where no notification server runs, nothing is shown and nothing fails.
pub fn show(sentence: &str) {
    let body = escaped(sentence);
    tauri::async_runtime::spawn_blocking(move || {
        let shown =
            Notification::new().appname("Patchcord").summary("Patchcord").body(&body).timeout(Timeout::Default).show();
        if let Err(error) = shown {
            tracing::debug!(%error, "no notification shown");
        }
    });
}

/// Notification bodies are read as markup, and callers choose their names.
fn escaped(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).fold(String::with_capacity(text.len()), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn names_from_outside_are_no_markup() {
        assert_eq!(escaped("<b>Wanda</b> & \"Co\"\n"), "&lt;b&gt;Wanda&lt;/b&gt; &amp; &quot;Co&quot;");
    }
}
