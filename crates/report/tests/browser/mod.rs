//! What a browser makes of a page, where one is installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// A phone, a small and a large screen.
const WIDTHS: [usize; 4] = [320, 390, 800, 1_400];
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes into the frame page how far each page is wider than its frame.
const MEASURE: &str = r#"<script>
addEventListener("load", () => {
  const told = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument;
    page.querySelectorAll("details").forEach(details => details.open = true);
    const wide = [...page.querySelectorAll("body, main, section, table, figure, pre, dd, td")];
    const over = wide.filter(part => !part.parentElement.closest(".scroll") && part.getBoundingClientRect().right > page.documentElement.clientWidth + 1);
    const names = over.slice(0, 3).map(part => part.tagName + "." + part.className).join(" ");
    return frame.width + ":" + (page.documentElement.scrollWidth - page.documentElement.clientWidth) + ":" + names + ";";
  });
  document.getElementById("told").textContent = "measured " + told.join("");
});
</script>"#;

/// Holds the page against windows of several widths; tells why where it cannot. `name` is that of a folder for its files.
#[expect(clippy::print_stdout, reason = "a test that is skipped tells why")]
pub fn fits(html: &str, name: &str) {
    let Some(browser) = browser() else {
        println!("skipped: no Chromium here (it would measure the page's width)");
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let html = html.replace('&', "&amp;").replace('"', "&quot;");
    let frame = |width| {
        format!("<iframe width=\"{width}\" height=\"900\" style=\"border:0\" srcdoc=\"{html}\"></iframe>")
    };
    let frames: String = WIDTHS.map(frame).concat();
    let file = folder.join("frames.html");
    let outer = format!("<!DOCTYPE html><meta charset=\"utf-8\"><p id=\"told\"></p>{MEASURE}{frames}");
    std::fs::write(&file, outer).unwrap();
    let Some(told) = dumped(&browser, &file, &folder) else {
        println!("skipped: {} does not run here", browser.display());
        return;
    };
    let expected = WIDTHS.map(|width| format!("{width}:0:;")).concat();
    assert_eq!(told, expected, "width of the window, pixels beyond it, and whose");
}

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    BROWSERS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

/// What the page tells of itself; `None` where the browser cannot be run or does not answer.
fn dumped(browser: &Path, file: &Path, folder: &Path) -> Option<String> {
    let dump = folder.join("dump.html");
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("file://{}", file.display()))
        .stdout(std::fs::File::create(&dump).ok()?)
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let started = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if started.elapsed() > PATIENCE {
            // It ends by itself or by this; either way there is no answer.
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let dump = std::fs::read_to_string(dump).ok()?;
    let (_, told) = dump.split_once("\"told\">measured ")?;
    told.split_once('<').map(|(told, _)| told.to_owned())
}
