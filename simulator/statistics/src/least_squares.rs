//! Least squares by an orthonormal basis (Gram and Schmidt, twice, so that rounding does not
//! add up). A handful of columns; for more a crate of linear algebra would be in place.

/// Orthonormal columns.
#[derive(Debug, Clone, Default)]
pub struct Basis {
    columns: Vec<Vec<f64>>,
}

impl Basis {
    /// Adds what the column has beyond those that are there; nothing, if it has nothing.
    pub fn add(&mut self, column: &[f64]) {
        let rest = self.rests(&self.rests(column));
        let length = norm(&rest);
        if length > norm(column) * 1e-9 {
            self.columns.push(rest.iter().map(|r| r / length).collect());
        }
    }

    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// What the columns do not explain.
    pub fn rests(&self, y: &[f64]) -> Vec<f64> {
        let mut rests = y.to_vec();
        for column in &self.columns {
            let share: f64 = column.iter().zip(&rests).map(|(c, r)| c * r).sum();
            for (rest, c) in rests.iter_mut().zip(column) {
                *rest -= share * c;
            }
        }
        rests
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}
