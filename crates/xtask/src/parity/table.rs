//! What is printed, as a Markdown table: readable on a terminal, and in the book.

/// Rows of cells under `head`, each column as wide as its widest cell.
pub fn render(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    let mut text = line(head.to_vec());
    text += &line(rule.iter().map(String::as_str).collect());
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}

/// An error in words: two digits, or what stands for none.
pub fn error(error: Option<f64>, integers: bool) -> String {
    match error {
        None if integers => "differ".to_owned(),
        None => "not comparable".to_owned(),
        Some(_) if integers => "identical".to_owned(),
        Some(error) => format!("{error:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let text = render(&["a", "long"], &[vec!["wide cell".to_owned(), "1".to_owned()]]);
        assert_eq!(text, "| a         | long |\n| --------- | ---- |\n| wide cell | 1    |\n");
    }
}
