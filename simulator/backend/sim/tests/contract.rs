//! The simulated backend against the contract that every backend keeps.

use squall_plan::plan::Plan;
use squall_plan::scenario::Scenario;

#[test]
fn the_backend_keeps_the_contract() {
    let text = "name = \"contract\"\n[[workload]]\nservice = \"lock\"\n";
    let scenario = Scenario::parse(text, "contract").expect("it is valid");
    for seed in 1..=3 {
        let plan = Plan::resolve(&scenario, seed).expect("it makes a plan");
        squall_sim::keep_contract(&plan).expect("the cluster forms");
    }
}
