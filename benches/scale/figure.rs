//! One measured figure, and how it is printed.

use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Figure {
    pub table: &'static str,
    pub row: String,
    pub unit: &'static str,
    pub value: f64,
    /// The target that this crate sets itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<&'static str>,
}

impl Figure {
    pub fn new(
        table: &'static str,
        row: impl Into<String>,
        unit: &'static str,
        value: f64,
    ) -> Self {
        Self {
            table,
            row: row.into(),
            unit,
            value,
            target: None,
        }
    }

    pub fn target(mut self, what: &'static str) -> Self {
        self.target = Some(what);
        self
    }

    pub fn print_json(&self) {
        println!("{}", serde_json::to_string(self).expect("figures are JSON"));
    }

    /// The value with its unit: two decimals below 100, none above.
    fn written(&self) -> String {
        let decimals = if self.value < 100.0 { 2 } else { 0 };
        format!("{:.decimals$} {}", self.value, self.unit)
    }
}

/// Prints one table per subject, one line per row.
pub fn print_tables(figures: &[Figure]) {
    for table in figures.chunk_by(|one, other| one.table == other.table) {
        println!("\n{}", table[0].table);
        for row in table.chunk_by(|one, other| one.row == other.row) {
            let cells: String = row
                .iter()
                .map(|cell| format!("{:>24}", cell.written()))
                .collect();
            let target = row.iter().filter_map(|cell| cell.target);
            let target: String = target
                .map(|target| format!("   target: {target}"))
                .collect();
            println!("  {:<34}{cells}{target}", row[0].row);
        }
    }
}

/// The middle one of an odd number of figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}
