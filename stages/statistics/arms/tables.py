"""The tables of arms: columns, captions and notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .. import tables as layout
from ..tables import Row, Table, column

DONE = ("done", "from rows")  # states that have a result
ARM = column("arm", "Arm", "text")
SEEDS = column("seeds", "Runs", "int", "Training runs, which differ in the seed alone.")


def table(name: str, title: str, says: str, cannot: str, columns: list[Row], rows: Sequence[Row],
          *notes: str) -> Table:
    return {"id": f"arms_{name}", "title": title, "about": {"kind": "arms"}, "says": says,
            "cannot": cannot, "columns": columns, "rows": list(rows), "notes": list(notes)}


def every(points: Sequence[Row], compared: Sequence[Row], spreads: Sequence[Row],
          doses: Sequence[Row], smallest: float | None, quick: Sequence[Row],
          single: Sequence[Row], ranks: Sequence[Row], planned: Sequence[Row], alpha: float,
          ) -> list[Table]:
    """All tables, in the order of the report; one without rows is kept, to say "not run"."""
    level = layout.level(alpha)
    loss = ("No loss of up to a fifth of the right answers is detected." if smallest is None else
            f"The smallest pure loss that these items detect is {smallest:.2f} points.")
    return [
        table("base", "Arms against the base",
              "What each arm gains in translation, what it changes in reasoning, and how far it "
              "moved from the base.",
              "Which arm is better: see the next table. With one run an interval covers the choice "
              "of items alone.", [
                  ARM, SEEDS, column("gain", "Δ translation", "float", "", 2, "points"),
                  column("gain_ci", f"{level} CI", "interval", "", 2),
                  column("reasoning", "Δ reasoning", "float", "", 2, "points"),
                  column("reasoning_ci", f"{level} CI", "interval", "", 2),
                  column("nats", "Δ log-probability", "float", "", 3, "nats"),
                  column("nats_ci", f"{level} CI", "interval", "", 3),
                  column("drift", "Drift", "float", "KL(base || arm) on text that no stage trains "
                         "on, nats a token.", 4),
                  column("eta", "Dev gain / √drift", "float", "", 1),
                  column("covers", "Interval covers", "text")], points,
              "With several runs the variances of items and runs are added, with Satterthwaite's "
              "degrees of freedom, and the interval is never narrower than that of the runs alone. "
              "In simulations of three runs it misses the truth in 5 % at most, whichever of the "
              "two variances is the larger; in fewer where an answer depends on the run by "
              "chance, which is then counted in both."),
        table("reference", "Arms against the reference",
              f"Arms of three runs or more: differences with simultaneous {level} intervals and p "
              "by max-T over all of them. Arms of fewer are points beside the band in which one "
              "more run of the reference would fall.",
              "An order of the arms that are tied, or of those with one run.", [
                  column("endpoint", "Endpoint", "text"), ARM, SEEDS,
                  column("delta", "Δ", "float", "", 3),
                  column("ci", f"simultaneous {level} CI", "interval", "", 3),
                  column("p", "p", "p", "Not corrected."), column("p_max", "p max-T", "p"),
                  column("band", "Reference's band", "text"),
                  column("verdict", "Result", "text")], compared),
        table("spread", "Spread between training runs",
              "How far runs of one recipe lie apart that differ in the seed alone, beside the "
              "standard error that the choice of items leaves.",
              "The spread over other data, models or machines.", [
                  ARM, column("endpoint", "Endpoint", "text"), SEEDS,
                  column("mean", "Δ to the base", "float", "", 3),
                  column("sd", "SD between runs", "float", "", 3),
                  column("low", "Lowest", "float", "", 3),
                  column("high", "Highest", "float", "", 3),
                  column("se_items", "SE by items", "float", "", 3)], spreads),
        table("dose", "Harm of known size",
              "Right answers of the base made wrong by hash: the loss is known exactly. Below them "
              "the way from the base to a model damaged by a high learning rate, in preset steps.",
              "That a real loss is found as easily. These answers change in one direction only; a "
              "tuned system gains some answers as it loses others, which widens the interval.", [
                  ARM, column("share", "Share", "float", "Of right answers flipped, or of the way "
                              "to the damaged model.", 2),
                  column("loss", "True loss", "float", "", 2, "points"),
                  column("delta", "Δ reasoning", "float", "", 2, "points"),
                  column("ci", f"{level} CI", "interval", "", 2), column("p", "p", "p"),
                  column("verdict", "Result", "text")], doses, loss),
        table("screened", "All arms on dev",
              "What every run has: gain on the dev split, log-probability of the right choice on "
              "items that are never tested, drift.",
              "Anything about the test sets; what was chosen here looks better than it is. The "
              "tasks were chosen by the base on these items, so their log-probability compares "
              "arms with each other, not with the base.", [
                  ARM, SEEDS, column("dev", "Δ dev", "float", "", 2, "points"),
                  column("logprob", "Δ log-probability", "float", "", 3, "nats"),
                  column("drift", "Drift", "float", "", 4),
                  column("eta", "Dev gain / √drift", "float", "", 1)], quick),
        table("layers", "Single layers", "One layer tuned alone in a short run, beside what could "
              "have told its worth beforehand.",
              "How layers work together.", [
                  column("layer", "Layer", "int"), column("dev", "Δ dev", "float", "", 2, "points"),
                  column("logprob", "Δ log-probability", "float", "", 3, "nats"),
                  column("drift", "Drift", "float", "", 4),
                  column("gradient", "Gradient", "float", "L2 norm before training.", 3),
                  column("nuclear", "Nuclear norm", "float", "", 3),
                  column("influence", "Influence", "float", "1 - the cosine of what enters and "
                         "leaves the layer in the base.", 3),
                  column("nearest", "From nearer end", "int"),
                  column("loss", "Fall of held-out loss", "float", "", 3)], single),
        table("predictors", "Cheap predictors of a layer's worth",
              "Spearman's rank correlation of what is known of a layer before it is tuned with "
              "what tuning it alone does.",
              "Causes. With so few layers a correlation below about 0.5 is not told from 0.", [
                  column("predictor", "Predictor", "text"), column("worth", "With", "text"),
                  column("layers", "Layers", "int"),
                  column("rho", "ρ", "float", "", 2), column("p", "p", "p")], ranks),
        table("plan", "Every question, and what was not run",
              "Questions and expectations, written before the arms ran, and what became of them.",
              "What an arm that was not run would have shown.", [
                  column("question", "Question", "text"), column("expects", "Expected", "text"),
                  column("arms", "Arms", "text"),
                  column("seeds", "Runs", "int", "Arms times training seeds."),
                  column("done", "With a result", "int"),
                  column("state", "State", "text")], plan(planned))]


def plan(planned: Sequence[Row]) -> list[Row]:
    """A row a question, in the order of the plan: its arms, and the states of their runs."""
    rows = []
    for question in dict.fromkeys(row["question"] for row in planned):
        mine = [row for row in planned if row["question"] == question]
        states = Counter(row["state"] for row in mine)
        rows.append({
            "question": question, "expects": mine[0]["expects"], "seeds": len(mine),
            "arms": ", ".join(dict.fromkeys(row["arm"] for row in mine)),
            "done": sum(states[state] for state in DONE),
            "state": "; ".join(state if len(states) == 1 else f"{count} {state}"
                               for state, count in states.items())})
    return rows
