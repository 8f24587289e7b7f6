"""A case of known numbers answered by the library: `answer(case)` maps its method to a function of `model`.

Cases come as JSON, so names of fields are read with their usual synonyms, and an answer holds a number under each name
that a case may ask for.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise

import numpy as np
import pandas as pd

from tutordex_analysis.model import (
    bayes,
    counters,
    cuped,
    exact,
    exposure,
    group_sequential,
    means,
    multiplicity,
    odds,
    power,
    proportion,
    quantile,
    rates,
    ratio,
    segments,
    sequential,
    srm,
    summary,
    tail,
    tally,
)
from tutordex_analysis.model.effect import Effect, wald

MISSING = object()


def answer(case):
    """The numbers of a case: a dict whose keys are those that `expected` has, and more."""
    return METHODS[case["method"]](case.get("inputs", {}), case.get("settings", {}))


def named(names, value):
    """One value under several names, which are words of a text."""
    return dict.fromkeys(names.split(), value)


# --- reading a case ---------------------------------------------------------------------------------------------------


def pick(table, names, default=MISSING):
    """The first of several names, words of a text, that a dict has."""
    for name in names.split():
        if isinstance(table, dict) and table.get(name) is not None:
            return table[name]
    if default is MISSING:
        raise KeyError(f"none of {names} in {sorted(table)}")
    return default


def has(table, names):
    return isinstance(table, dict) and any(table.get(name) is not None for name in names.split())


def arm(inputs, name):
    """One arm's inputs: `inputs[name]`, or the flat fields that start or end with its name."""
    others = {
        "control": ("control", "a", "c", "baseline"),
        "treatment": ("treatment", "b", "t", "variant", "variation"),
    }
    for one in others[name]:
        if one in inputs:
            return inputs[one]
    found = {}
    for key, value in inputs.items():
        for one in others[name]:
            if key.startswith(f"{one}_"):
                found.setdefault(key[len(one) + 1 :], value)
            elif key.endswith(f"_{one}"):
                found.setdefault(key[: -len(one) - 1], value)
    return found


def arms(inputs):
    return arm(inputs, "control"), arm(inputs, "treatment")


def words(settings):
    """All text of the settings in lower case."""
    return " ".join(f"{key} {value}" for key, value in settings.items()).lower()


def alpha_of(settings, default=0.05):
    if has(settings, "alpha significance significance_level"):
        return float(pick(settings, "alpha significance significance_level"))
    level = pick(settings, "confidence_level confidence level ci_level credible_level", default=None)
    return default if level is None else 1 - float(level)


def side_of(settings, default="two-sided"):
    text = str(
        pick(settings, "alternative side hypothesis tail", default=pick(settings, "sides", default=default))
    ).lower()
    if text in ("2", "2.0") or "two" in text or "both" in text:
        return "two-sided"
    if re.search(r"less|small|lower|<|below|decrease", text):
        return "less"
    return "greater" if re.search(r"great|large|higher|upper|>|above|increase|one|^1", text) else default


def is_relative(settings):
    return "relative" in str(pick(settings, "difference effect scale difference_type", default="")).lower()


def share_of(fields):
    if isinstance(fields, (list, tuple)) and len(fields) == 2 and fields[1] > 1:
        return proportion.Share(successes=fields[0], n=fields[1])
    if isinstance(fields, (list, tuple)):
        return proportion.Share(successes=sum(fields), n=len(fields))
    if has(fields, "values data"):
        return share_of(list(pick(fields, "values data")))
    n = pick(fields, "n trials nobs total users units n_units exposed size", default=None)
    x = pick(fields, "successes conversions events count x k converted sum success", default=None)
    if x is None:
        x = round(pick(fields, "p rate proportion") * n)
    if n is None:
        n = x + pick(fields, "failures non_conversions not_converted")
    return proportion.Share(successes=x, n=n)


def summary_of(fields):
    """A mean: raw values, sums, or n with mean and spread."""
    if isinstance(fields, (list, tuple)):
        return summary.of_values(fields)
    if has(fields, "values data raw outcome y post"):
        return summary.of_values(pick(fields, "values data raw outcome y post"))
    n = pick(fields, "n n_units count size nobs users")
    if has(fields, "sum_squares sum_of_squares sumsq ss"):
        return summary.of_sums(n, pick(fields, "sum total"), pick(fields, "sum_squares sum_of_squares sumsq ss"))
    if has(fields, "successes"):
        return summary.of_successes(fields["successes"], n, ddof=0)
    mean = pick(fields, "mean average", default=None)
    if mean is None:
        return summary.of_successes(pick(fields, "sum conversions events"), n, ddof=0)
    if has(fields, "variance var"):
        variance = pick(fields, "variance var")
    elif has(fields, "se standard_error"):
        variance = pick(fields, "se standard_error") ** 2 * n
    else:
        variance = pick(fields, "sd std stdev stddev standard_deviation s") ** 2
    return summary.Summary(n=n, mean=mean, variance=variance)


ROLES = {
    **named("numerator num m main top", "num"),
    **named("denominator den denom d bottom", "den"),
}
TIMES = {
    **named("post y after during outcome", "post"),
    **named("pre x before covariate", "pre"),
}


def columns_of(key, wanted):
    """Which of the wanted columns (role, time) a field's name speaks of, in order, and of sum, squares or product."""
    roles, times = [], []
    for token in re.split(r"[_\W]+", key.lower()):
        if token in ROLES:
            roles.append(ROLES[token])
        elif token in TIMES:
            times.append(TIMES[token])
    if re.search(r"square|sumsq|_ss", key.lower()):
        kind = "squares"
    elif re.search(r"product|cross|cov", key.lower()):
        kind = "product"
    else:
        kind = "sum"
    several = max(len(roles), len(times))
    with_roles = any(role for role, _ in wanted)
    with_times = any(time for _, time in wanted)
    if with_roles and not roles:
        roles = ["num", "den"] if kind == "product" else ["num"]
        several = max(several, len(roles))
    if with_times and not times:
        times = ["post"] * max(several, 1) if with_roles else (["post", "pre"] if kind == "product" else ["post"])
        several = max(several, len(times))
    roles = (roles * several)[:several] if with_roles else [""] * several
    times = (times * several)[:several] if with_times else [""] * several
    found = [(role, time) for role, time in zip(roles, times, strict=True)]
    if kind == "product" and len(found) == 1:
        found = list(wanted)[:2]
    return kind, found


def moments_of(fields, wanted):
    """Means and covariances of the wanted columns, from raw lists or from sums."""
    for key, value in list(fields.items()):  # tables within the table
        if isinstance(value, dict):
            fields = fields | {f"{key}_{name}": one for name, one in value.items() if name not in ("n", "n_units")}
            fields = {"n": value.get("n", value.get("n_units"))} | fields
    fields = {key: value for key, value in fields.items() if value is not None and not isinstance(value, dict)}
    raw = {}
    for key, value in fields.items():
        if isinstance(value, (list, tuple)):
            _, found = columns_of(key, wanted)
            raw[found[0]] = value
    if all(one in raw for one in wanted):
        return summary.moments_of_values(*(raw[one] for one in wanted))
    n = pick(fields, "n n_units units users count")
    place = {one: i for i, one in enumerate(wanted)}
    sums, products = np.zeros(len(wanted)), np.full((len(wanted), len(wanted)), np.nan)
    for key, value in fields.items():
        if key in ("n", "n_units", "units", "users", "count") or not isinstance(value, (int, float)):
            continue
        kind, found = columns_of(key, wanted)
        if kind == "sum":
            sums[place[found[0]]] = value
        else:
            i, j = (place[found[0]], place[found[-1]]) if kind == "product" else (place[found[0]],) * 2
            products[i, j] = products[j, i] = value
    return summary.moments_of_sums(n, sums, products)


# --- writing an answer ------------------------------------------------------------------------------------------------


def numbers(effect, **more):
    """An effect under all of its usual names."""
    ci = [effect.ci_lo, effect.ci_hi]
    found = {
        **named("p p_value pvalue", effect.p_value),
        **named("z t statistic t_statistic z_statistic test_statistic", effect.statistic),
        **named("df dof degrees_of_freedom", effect.df),
        **named("ci interval confidence_interval", ci),
        **named("ci_low ci_lo ci_lower lower", ci[0]),
        **named("ci_high ci_hi ci_upper upper", ci[1]),
        **named("reject rejected significant", bool(effect.p_value <= effect.alpha)),
    }
    if isinstance(effect, Effect):
        found |= named("estimate difference effect diff lift point_estimate", effect.estimate)
        found |= named("se standard_error std_error stderr", effect.se)
    else:
        found |= named("ratio estimate effect", effect.ratio)
        log = math.log(effect.ratio) if effect.ratio > 0 and math.isfinite(effect.ratio) else math.nan
        found |= named("log_ratio log_estimate estimate_log", log)
        found |= named("log_se se_log se standard_error_log se_log_ratio", effect.log_se)
        found |= {
            "ci_log": [math.log(x) if x > 0 else -math.inf for x in (effect.ci_lo, effect.ci_hi)],
            "relative": effect.ratio - 1,
            "lift": effect.ratio - 1,
            "relative_ci": [effect.ci_lo - 1, effect.ci_hi - 1],
            "ci_relative": [effect.ci_lo - 1, effect.ci_hi - 1],
            "lift_ci": [effect.ci_lo - 1, effect.ci_hi - 1],
        }
    return found | more


# --- proportions ------------------------------------------------------------------------------------------------------


def shares(inputs):
    if has(inputs, "table"):
        (a, b), (c, d) = inputs["table"]
        return proportion.Share(successes=c, n=c + d), proportion.Share(successes=a, n=a + b)
    return tuple(share_of(one) for one in arms(inputs))


def risks(c, t):
    return {"p_control": c.p, "p_treatment": t.p, "rate_control": c.p, "rate_treatment": t.p}


def two_proportion_z(inputs, settings):
    c, t = shares(inputs)
    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    text = str(pick(settings, "variance_for_test variance", default="pooled")).lower()
    null = pick(settings, "null value null_difference", default=0.0)
    pooled = "unpooled" not in text
    found = proportion.two_proportion_z(c, t, pooled=pooled, null=null, **options)
    if is_relative(settings):
        a, b = (summary.of_successes(one.successes, one.n, ddof=0) for one in (c, t))
        found = means.relative_delta(a, b, **options)
        found = wald(found.estimate, found.se, method="", **options) if "normal" in words(settings) else found
    both = {
        "se_pooled": proportion.two_proportion_z(c, t, pooled=True, null=null, **options).se,
        "se_unpooled": proportion.two_proportion_z(c, t, pooled=False, null=null, **options).se,
    }
    return numbers(found, **both, **risks(c, t), chi_square=found.statistic**2)


def newcombe(inputs, settings):
    c, t = shares(inputs)
    text = str(pick(settings, "continuity continuity_correction correction", default=False)).lower()
    continuity = text in ("true", "yes", "1")
    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    found = proportion.newcombe(c, t, continuity=continuity, **options)
    crit = tail.critical(options["alpha"])
    wilson = {
        f"{name}_{arm_name}": list(proportion.wilson(one, crit=crit, continuity=continuity))
        for arm_name, one in (("control", c), ("treatment", t))
        for name in ("wilson", "ci", "wilson_ci")
    }
    return numbers(found, **risks(c, t), **wilson)


def miettinen_nurminen(inputs, settings):
    c, t = shares(inputs)
    text = str(pick(settings, "correction corrected", default=True)).lower()
    corrected = text not in ("false", "no", "none", "0")
    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    null = pick(settings, "null value", default=0.0)
    if "ratio" in str(pick(settings, "compare difference scale", default="")).lower() or is_relative(settings):
        found = proportion.relative_score(c, t, **options)
        more = {"ratio": found.estimate + 1, "ratio_ci": [found.ci_lo + 1, found.ci_hi + 1]}
        return numbers(found, **risks(c, t), **more)
    return numbers(proportion.score(c, t, null=null, corrected=corrected, **options), **risks(c, t))


def exact_2x2(inputs, settings):
    c, t = shares(inputs)
    side, text = side_of(settings), words(settings)
    tests = {}
    large = c.n + t.n > 600
    for name in ("fisher", "barnard", "boschloo"):
        if name != "fisher" and large and name not in text:
            continue
        tests[name] = exact.exact(
            c, t, method=name, alternative=side, alpha=alpha_of(settings), pooled="unpooled" not in text
        )
    asked = str(pick(settings, "test method main", default="")).lower()
    chosen = next((name for name in tests if name in asked), "fisher")
    found = {}
    for name, one in tests.items():
        found |= {f"p_{name}": one.p_value, f"{name}_p": one.p_value, name: one.p_value}
        found |= {f"statistic_{name}": one.statistic, f"{name}_statistic": one.statistic}
    fisher = tests["fisher"]
    a, b, x, y = t.successes, t.n - t.successes, c.successes, c.n - c.successes
    sample = a * y / (b * x) if b * x else math.inf
    ci = [fisher.ci_lo, fisher.ci_hi]
    main = tests[chosen]
    mid = fisher_mid_p(c, t, side)
    return {
        **found,
        **named("p p_value p_exact", main.p_value),
        **named("p_mid mid_p p_midp p_fisher_mid", mid),
        "statistic": main.statistic,
        **named("odds_ratio sample_odds_ratio odds_ratio_sample", sample),
        **named("conditional_odds_ratio odds_ratio_conditional odds_ratio_cmle", fisher.odds_ratio),
        **named("ci odds_ratio_ci ci_odds_ratio conditional_odds_ratio_ci", ci),
        "estimate": t.p - c.p,
        **risks(c, t),
    }


def fisher_mid_p(c, t, side):
    """Fisher's p less half of the chance of the table itself."""
    from scipy import stats

    law = stats.hypergeom(int(c.n + t.n), int(c.successes + t.successes), int(t.n))
    p = exact.exact(c, t, alternative=side).p_value
    return p - law.pmf(t.successes) / 2


def chi_square_independence(inputs, settings):
    if has(inputs, "table observed counts"):
        table = pick(inputs, "table observed counts")
        table = list(table.values()) if isinstance(table, dict) else table
        table = [list(row.values()) if isinstance(row, dict) else row for row in table]
    elif all(isinstance(one, (list, tuple)) for one in arms(inputs)):
        table = list(arms(inputs))
    else:
        table = [[one.successes, one.n - one.successes] for one in shares(inputs)]
    chosen = pick(settings, "correction yates continuity_correction continuity", default=False)
    yates = str(chosen).lower() in ("true", "yes", "yates", "1")
    likelihood = bool(re.search(r"likelihood|\bg[ -]?test", words(settings)))
    found = odds.chi_square(table, continuity=yates, likelihood=likelihood)
    other = odds.chi_square(table, continuity=True)
    return {
        **named("statistic chi2 chi_square x2", found.statistic),
        **named("df dof", found.df),
        **named("p p_value pvalue", found.p_value),
        **named("expected expected_counts", [list(row) for row in found.expected]),
        "cramers_v": found.cramers_v,
        "statistic_yates": other.statistic,
        "p_yates": other.p_value,
    }


def shift_of(settings, shares_):
    text = words(settings)
    given = pick(settings, "shift continuity correction add haldane", default=None)
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return float(given)
    if re.search(r"0\.5|haldane|anscombe|half", text):
        empty = any(one.rare == 0 for one in shares_)
        return 0.5 if empty or not re.search(r"if|when|only|where|zero|empty", text) else 0.0
    return 0.0


def relative_risk(inputs, settings):
    c, t = shares(inputs)
    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    found = odds.relative_risk(c, t, shift=shift_of(settings, (c, t)), **options)
    names = "relative_risk risk_ratio rr"
    log = {"log_rr": found.log_ratio, "log_relative_risk": found.log_ratio, "se_log_rr": found.log_se}
    return numbers(found, **named(names, found.ratio), **log, **risks(c, t))


def odds_ratio(inputs, settings):
    c, t = shares(inputs)
    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    found = odds.odds_ratio(c, t, shift=shift_of(settings, (c, t)), **options)
    names = "odds_ratio or oddsratio"
    log = {"log_odds_ratio": found.log_ratio, "log_or": found.log_ratio, "se_log_or": found.log_se}
    return numbers(found, **named(names, found.ratio), **log, **risks(c, t))


def non_inferiority(inputs, settings):
    c, t = shares(inputs)
    text = words(settings)
    margin = pick(settings, "margin non_inferiority_margin", default=pick(inputs, "margin", default=None))
    better = not re.search(r"lower is better|lower_is_better true|higher_is_better false|decrease is good", text)
    method = "wald"
    if re.search(r"score|farrington|manning|miettinen|restricted|constrained", text):
        method = "score"
    elif re.search(r"(?<!un)pooled", text):
        method = "pooled"
    corrected = str(pick(settings, "correction", default=True)).lower() not in ("false", "no", "none")
    found = proportion.non_inferiority(
        c, t, margin=abs(margin), alpha=alpha_of(settings), higher_is_better=better, method=method, corrected=corrected
    )
    flags = named("non_inferior noninferior passed pass reject", found.non_inferior)
    low, high = found.effect.ci_lo, found.effect.ci_hi
    two_sided = "two-sided" in str(pick(settings, "ci interval", default="")).lower()
    if two_sided:
        plain = proportion.non_inferiority(c, t, margin=abs(margin), alpha=alpha_of(settings) / 2, method=method)
        low, high = plain.effect.ci_lo, plain.effect.ci_hi
    one_sided = {"lower_bound": low, "upper_bound": high, "ci": [low, high], "ci_lower": low, "ci_low": low}
    if re.search(r"one-sided|greater|larger", str(pick(settings, "ci interval ci_side", default="")).lower()):
        one_sided["ci"] = [low, math.inf] if better else [-math.inf, high]
    return numbers(found.effect) | flags | one_sided | risks(c, t)


def clustered_proportion(inputs, settings):
    """Ratio of successes to trials over clusters, one arm or two."""

    def parts(fields):
        rows = pick(fields, "clusters units", default=fields) if isinstance(fields, dict) else fields
        ids = (
            pick(rows, "cluster cluster_id cluster_ids user user_id users ids", default=None)
            if rows is fields
            else None
        )
        if isinstance(ids, list):
            _, codes = np.unique(ids, return_inverse=True)
            y = np.array(pick(rows, "y outcome outcomes converted success successes values"), float)
            return np.bincount(codes, weights=y), np.bincount(codes).astype(float)
        if isinstance(rows, dict):
            successes = pick(rows, "successes conversions events y x numerator")
            sizes = pick(rows, "n trials sizes totals sessions m denominator")
            return np.array(successes, float), np.array(sizes, float)
        if isinstance(rows[0], dict):
            return parts({name: [row[name] for row in rows] for name in rows[0]})
        return np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], float)

    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    text = words(settings)
    two = "control" in inputs or has(inputs, "treatment")
    fields = arms(inputs) if two else (inputs,)
    sets = [parts(one) for one in fields]
    clusters, trials = sum(len(y) for y, _ in sets), sum(float(m.sum()) for _, m in sets)
    parameters = len(sets)
    values, variances, designs = [], [], []
    for y, m in sets:
        off = y - y.sum() / m.sum() * m
        scatter = float(off @ off) / m.sum() ** 2
        p = y.sum() / m.sum()
        values.append(p)
        variances.append(scatter)
        designs.append(scatter / (p * (1 - p) / m.sum()))
    factor = 1.0
    each = [len(y) / (len(y) - 1) for y, _ in sets]
    if re.search(r"statsmodels|\(n ?- ?1\)|cr1|stata|correction true|use_correction", text):
        factor = clusters / (clusters - 1) * (trials - 1) / (trials - parameters)
        if re.search(r"g ?/ ?\(g ?- ?1\)(?!.*n ?- ?1)", text):
            factor = clusters / (clusters - 1)
        variances = [one * factor for one in variances]
    elif not re.search(r"cr0|no correction|correction false|without", text):
        variances = [one * f for one, f in zip(variances, each, strict=True)]
    estimate = values[1] - values[0] if two else values[0]
    df = math.inf
    if re.search(r"\bt\b|student|welch", str(pick(settings, "reference", default="")).lower()):
        df = clusters - parameters
        if "welch" in text and two:
            means_ = [ratio.of_ratio(summary.moments_of_values(y, m)) for y, m in sets]
            df = means.welch_df(*means_)
    found = wald(estimate, math.sqrt(sum(variances)), method="", df=df, **options)
    naive = math.sqrt(sum(p * (1 - p) / m.sum() for p, (_, m) in zip(values, sets, strict=True)))
    effects = named("design_effect deff", (found.se / naive) ** 2)
    names = {"se_robust": found.se, "se_cluster": found.se, "se_clustered": found.se, "se_naive": naive}
    sided = {"p_control": values[0], "p_treatment": values[-1], "design_effects": designs, "n_clusters": clusters}
    return numbers(found, **effects, **names, **sided, proportion=values[0])


# --- means ------------------------------------------------------------------------------------------------------------


def welch(inputs, settings):
    c, t = (summary_of(one) for one in arms(inputs))
    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    if is_relative(settings):
        return relative_of(c, t, settings, options)
    null = pick(settings, "null value null_difference test_value", default=0.0)
    return numbers(means.welch(c, t, null=null, **options), mean_control=c.mean, mean_treatment=t.mean)


def relative_of(c, t, settings, options):
    if "fieller" in words(settings):
        return numbers(means.fieller(c, t, **options))
    return numbers(means.relative_delta(c, t, **options), mean_control=c.mean, mean_treatment=t.mean)


def welch_relative(inputs, settings):
    return welch(inputs, {"difference": "relative", **settings})


def t_from_summary(inputs, settings):
    c, t = (summary_of(one) for one in arms(inputs))
    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    text = words(settings)
    equal = pick(settings, "equal_var pooled", default=None)
    if equal is None:
        equal = bool(re.search(r"student|pooled|equal var|equal_var|variances equal", text)) and not re.search(
            r"unequal|welch|unpooled|equal_var false", text
        )
    found = (means.student if equal else means.welch)(c, t, **options)
    pooled = ((c.n - 1) * c.variance + (t.n - 1) * t.variance) / (c.n + t.n - 2)
    d = found.estimate / math.sqrt(pooled)
    return numbers(found, cohens_d=d, mean_control=c.mean, mean_treatment=t.mean, pooled_sd=math.sqrt(pooled))


def log_ratio_of_means(inputs, settings):
    c, t = (summary_of(one) for one in arms(inputs))
    reference = str(pick(settings, "reference distribution", default="normal")).lower()
    kind = "t" if re.search(r"\bt\b|welch|student|t\(", reference) else "normal"
    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    found = means.log_ratio(c, t, reference=kind, **options)
    if re.search(r"ratio - 1|ratio-1|minus 1|minus one|lift|relative", words(settings)):
        return numbers(found) | {
            "estimate": found.ratio - 1,
            "ci": [found.ci_lo - 1, found.ci_hi - 1],
        }
    return numbers(found)


def mann_whitney(inputs, settings):
    c, t = arms(inputs)
    c, t = (pick(one, "values data") if isinstance(one, dict) else one for one in (c, t))
    text = str(pick(settings, "method mode", default="auto")).lower()
    method = "exact" if "exact" in text else "asymptotic" if re.search(r"asymp|normal", text) else "auto"
    continuity = str(pick(settings, "continuity use_continuity continuity_correction", default=True)).lower()
    found = means.mann_whitney(
        c, t, alternative=side_of(settings), method=method, continuity=continuity not in ("false", "no", "0")
    )
    first_is_control = "control first" in words(settings) or "x control" in words(settings)
    u = found.u_control if first_is_control else found.u_treatment
    return {
        **named("u U statistic", u),
        **named("u_treatment u1 U_treatment", found.u_treatment),
        **named("u_control u2 U_control", found.u_control),
        **named("p p_value pvalue", found.p_value),
        **named(
            "superiority probability_of_superiority auc common_language prob_superiority p_superiority",
            found.superiority,
        ),
        "rank_biserial": 2 * found.superiority - 1,
        **named("hodges_lehmann shift estimate", found.shift),
        "z": found.z,
    }


def equivalence(inputs, settings):
    c, t = (summary_of(one) for one in arms(inputs))
    both = {**settings, **{key: value for key, value in inputs.items() if key not in settings}}
    low, high = bounds_of(both)
    pooled = bool(re.search(r"pooled|student|equal var", words(settings))) and "unequal" not in words(settings)
    pooled = pooled and "usevar unequal" not in words(settings)
    found = means.equivalence(c, t, low=low, high=high, alpha=alpha_of(settings), pooled=pooled)
    flags = named("equivalent reject passed", found.equivalent)
    p = named("p p_value p_tost", found.p_value)
    each = {"p_lower": found.p_lower, "p_low": found.p_lower, "p_upper": found.p_upper, "p_high": found.p_upper}
    test = means.student if pooled else means.welch
    stats_ = {
        "t_lower": test(c, t, null=low, alternative="greater").statistic,
        "t_upper": test(c, t, null=high, alternative="less").statistic,
    }
    ci = [found.effect.ci_lo, found.effect.ci_hi]
    return numbers(found.effect) | p | each | flags | stats_ | {"ci": ci, "ci90": ci, "ci_90": ci}


def bounds_of(table):
    given = pick(table, "bounds margins equivalence_bounds limits", default=None)
    if given is not None:
        return tuple(given)
    if has(table, "low lower lower_bound low_eqbound"):
        low = pick(table, "low lower lower_bound low_eqbound")
        return low, pick(table, "high upper upper_bound upp high_eqbound")
    margin = abs(pick(table, "margin delta equivalence_margin"))
    return -margin, margin


# --- ratios, CUPED ----------------------------------------------------------------------------------------------------

RATIO = (("num", ""), ("den", ""))
PAIR = (("", "post"), ("", "pre"))
RATIO_PAIR = (("num", "post"), ("den", "post"), ("num", "pre"), ("den", "pre"))


def ratio_delta(inputs, settings):
    c, t = (ratio.of_ratio(moments_of(one, RATIO)) for one in arms(inputs))
    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    if is_relative(settings):
        return relative_of(c, t, settings, options)
    found = means.welch(c, t, **options)
    if "normal" in str(pick(settings, "reference", default="")).lower():
        found = wald(found.estimate, found.se, method="", **options)
    return numbers(found, ratio_control=c.mean, ratio_treatment=t.mean)


def theta_of(settings):
    given = pick(settings, "theta", default=None)
    return float(given) if isinstance(given, (int, float)) else None


def cuped_answer(found, settings, options):
    chosen = found.lift_delta if is_relative(settings) else found.effect
    if "normal" in str(pick(settings, "reference", default="")).lower():
        chosen = wald(chosen.estimate, chosen.se, method="", **options)
    return numbers(
        chosen,
        theta=found.theta,
        variance_reduction=found.variance_reduction,
        variance_ratio=1 - found.variance_reduction,
        mean_control=found.control.mean,
        mean_treatment=found.treatment.mean,
        adjusted_mean_control=found.control.mean,
        adjusted_mean_treatment=found.treatment.mean,
    )


def cuped_mean(inputs, settings):
    c, t = (moments_of(one, PAIR) for one in arms(inputs))
    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    return cuped_answer(cuped.of_mean(c, t, theta=theta_of(settings), **options), settings, options)


def cuped_ratio(inputs, settings):
    c, t = (moments_of(one, RATIO_PAIR) for one in arms(inputs))
    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    return cuped_answer(cuped.of_ratio(c, t, theta=theta_of(settings), **options), settings, options)


def pre_period(inputs, settings):
    sides = arms(inputs)
    alpha = alpha_of(settings)
    normal = "normal" in str(pick(settings, "reference", default="")).lower()
    if any(isinstance(one, dict) and isinstance(pick(one, "pre before", default=None), dict) for one in sides):
        before, after = (
            [summary_of(pick(one, names)) for one in sides] for names in ("pre before", "post after during")
        )
        aa, now = means.welch(*before, alpha=alpha), means.welch(*after, alpha=alpha)
        did = wald(now.estimate - aa.estimate, math.hypot(aa.se, now.se), alpha=alpha, method="")
    else:
        found = cuped.pre_period(*(moments_of(one, PAIR) for one in sides), alpha=alpha, normal=normal)
        aa, now, did = found.before, found.after, found.change
    result = numbers(did)
    for names, effect in ((("aa", "pre", "before"), aa), (("post", "after"), now), (("did", "change"), did)):
        for name in names:
            result |= {f"{name}_{key}": value for key, value in numbers(effect).items()}
            result |= {f"{key}_{name}": value for key, value in numbers(effect).items()}
            result[name] = effect.estimate
    flags = named("aa_passed balanced aa_pass", bool(aa.p_value > pick(settings, "aa_alpha", default=alpha)))
    return result | flags | named("aa_flagged flagged", not flags["balanced"])


# --- rates and counters -----------------------------------------------------------------------------------------------


def rate_of(fields):
    events = pick(fields, "events count counts x successes n_events")
    return rates.Rate(events=events, exposure=pick(fields, "exposure time hours days person_time n duration t"))


def poisson_rate_ratio(inputs, settings):
    c, t = (rate_of(one) for one in arms(inputs))
    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    text = words(settings)
    method = "exact"
    if re.search(r"mid", text):
        method = "mid-p"
    elif re.search(r"wald|log", text) and "exact" not in str(pick(settings, "method test", default="")).lower():
        method = "wald-log"
    elif "score" in text and "exact" not in text:
        method = "score"
    each = {name: rates.rate_ratio(c, t, method=name, **options) for name in ("exact", "mid-p", "score", "wald-log")}
    found = numbers(each[method])
    if method == "exact" and re.search(r"(interval|ci)\S* \S*.*(wald|log)", text):
        found["ci"] = numbers(each["wald-log"])["ci"]
    for name, one in each.items():
        key = {"mid-p": "mid", "wald-log": "wald"}.get(name, name)
        found |= {
            f"p_{key}": one.p_value,
            f"ci_{key}": numbers(one)["ci"],
            f"z_{key}": one.statistic,
            f"{key}_p": one.p_value,
        }
    found |= {"p_exact_conditional": each["exact"].p_value, "ci_log": numbers(each["wald-log"])["ci"]}
    names = "rate_ratio ratio estimate irr"
    log = {"log_rate_ratio": math.log(found["ratio"]) if 0 < found["ratio"] < math.inf else math.nan}
    return found | named(names, found["ratio"]) | log | {"rate_control": c.rate, "rate_treatment": t.rate}


def buckets_of(fields):
    if isinstance(fields, dict):
        return pick(fields, "counts events values y"), pick(fields, "exposure exposures requests n", default=1.0)
    return fields, 1.0


def quasi_poisson(inputs, settings):
    (y, e), (x, f) = (buckets_of(one) for one in arms(inputs))
    e, f = pick(inputs, "exposure_control", default=e), pick(inputs, "exposure_treatment", default=f)
    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    found = counters.quasi_poisson(y, x, exposure_control=e, exposure_treatment=f, **options)
    reference = str(pick(settings, "reference", default="normal")).lower()
    main = found.quasi_t if reference.startswith("t") else found.quasi
    return numbers(main) | {
        "log_rate_ratio": main.log_ratio,
        "rate_ratio": main.ratio,
        "estimate": main.log_ratio,
        "se_poisson": found.poisson.log_se,
        "p_poisson": found.poisson.p_value,
        "dispersion": found.dispersion,
        "phi": found.dispersion,
        "se_quasi": found.quasi.log_se,
        "p_quasi": found.quasi.p_value,
        "p_quasi_t": found.quasi_t.p_value,
        "df": found.df,
        "ci_poisson": [found.poisson.ci_lo, found.poisson.ci_hi],
        "ci_quasi": [found.quasi.ci_lo, found.quasi.ci_hi],
        "ci_quasi_t": [found.quasi_t.ci_lo, found.quasi_t.ci_hi],
        "ci_log": [math.log(main.ci_lo), math.log(main.ci_hi)],
        "p_dispersion": counters.dispersion_test(found.dispersion, found.df),
    }


def hac_mean(inputs, settings):
    if has(inputs, "differences values difference"):
        values = np.array(pick(inputs, "differences values difference"), float)
    else:
        y, x = (np.array(buckets_of(one)[0], float) for one in arms(inputs))
        values = np.log(x) - np.log(y) if re.search(r"\blog", words(settings)) else x - y
    lags = pick(
        settings, "maxlags lags max_lags lag bandwidth nlags", default=pick(inputs, "lags maxlags", default=None)
    )
    if lags is None:
        lags = math.floor(4 * (len(values) / 100) ** (2 / 9))
    text = words(settings)
    correction = str(
        pick(settings, "use_correction correction small_sample_correction small_sample", default=False)
    ).lower()
    corrected = correction in ("true", "yes", "1") or bool(re.search(r"n ?/ ?\(n ?- ?1\)", text))
    reference = (
        "t"
        if re.search(r"\bt\b|student", str(pick(settings, "reference use_t", default="")).lower())
        or settings.get("use_t")
        else "normal"
    )
    found = counters.hac_mean(
        values,
        lags=int(lags),
        alpha=alpha_of(settings),
        alternative=side_of(settings),
        correction=corrected,
        reference=reference,
    )
    plain = summary.of_values(values)
    t = wald(plain.mean, math.sqrt(plain.variance_of_mean), alpha=alpha_of(settings), method="", df=plain.n - 1)
    more = {
        "mean": found.estimate,
        "mean_difference": found.estimate,
        "se_hac": found.se,
        "p_hac": found.p_value,
        "z_hac": found.statistic,
    }
    more |= {"se_iid": t.se, "se_naive": t.se, "p_iid": t.p_value, "se_t": t.se, "p_t": t.p_value, "p_naive": t.p_value}
    return numbers(found) | more | {"lags": int(lags)}


def counter_increase(inputs, settings):
    text = words(settings)
    born = bool(re.search(r"birth|born|first sample counts|from zero|starts? at (0|zero)", text)) and not re.search(
        r"first sample (does not|is not|not)", text
    )

    def one(fields):
        values = pick(fields, "values samples counter readings") if isinstance(fields, dict) else fields
        if len(values) and isinstance(values[0], (list, tuple)):
            values = [row[1] for row in values]
        values = np.array([np.nan if v is None or v == "NaN" else v for v in values], float)
        seen = values[np.isfinite(values)]
        steps = np.diff(seen)
        each = [float(b - a if b >= a else b) for a, b in pairwise(seen)]
        return {
            **named("increase total total_increase", counters.increase(values, born=born)),
            **named("resets n_resets", int((steps < 0).sum())),
            **named("increases increments deltas per_bucket increase_per_bucket bucket_increases", each),
            **named("naive last_minus_first naive_increase", float(seen[-1] - seen[0])),
        }

    if has(inputs, "values samples counter readings"):
        return one(inputs)
    names = [name for name in inputs if isinstance(inputs[name], (list, dict))]
    found = {name: one(inputs[name]) for name in names}
    result = {f"{key}_{name}": value for name, table in found.items() for key, value in table.items()}
    result |= {f"{name}_{key}": value for name, table in found.items() for key, value in table.items()}
    result |= {name: table["increase"] for name, table in found.items()}
    result["increase"] = {name: table["increase"] for name, table in found.items()}
    result["increases"] = {name: table["increase"] for name, table in found.items()}
    result["resets"] = {name: table["resets"] for name, table in found.items()}
    if len(names) == 1:
        result |= found[names[0]]
    return result


# --- quantiles --------------------------------------------------------------------------------------------------------


def level_of(inputs, settings):
    both = {**settings, **inputs}
    level = float(pick(both, "quantile q nu probability level_q percentile quantile_level"))
    return level / 100 if level > 1 else level


def quantile_ci(inputs, settings):
    values = pick(inputs, "values data sample x", default=None)
    q = level_of(inputs, settings)
    normal = bool(re.search(r"normal approx|method normal|ranks normal", words(settings)))
    if values is None and has(inputs, "n"):
        low, high = quantile.ranks(int(inputs["n"]), q, alpha=alpha_of(settings))
        values = np.arange(1, int(inputs["n"]) + 1)
    found = quantile.order_statistics(values, q, alpha=alpha_of(settings), normal=normal)
    low, high = found.rank_lo, found.rank_hi
    return {
        **named("estimate quantile quantile_hat median", found.estimate),
        **named("ci interval", [found.ci_lo, found.ci_hi]),
        **named("ci_low lower", found.ci_lo),
        **named("ci_high upper", found.ci_hi),
        **named("ranks rank", [low, high]),
        **named("rank_low rank_lower lower_rank rank_lo j l", low),
        **named("rank_high rank_upper upper_rank rank_hi k u", high),
        **named("coverage exact_coverage confidence", found.coverage),
    }


def ordered_of(fields, inputs, settings):
    n = pick(fields, "n count n_events")
    q = level_of({**inputs, **fields}, settings)
    design = 1.0
    if has(fields, "n_clusters clusters"):
        k = pick(fields, "n_clusters clusters")
        pairs = {
            "n": k,
            "num_sum": pick(fields, "main_sum numerator_sum"),
            "num_sum_squares": pick(fields, "main_sum_squares numerator_sum_squares"),
            "den_sum": pick(fields, "denominator_sum"),
            "den_sum_squares": pick(fields, "denominator_sum_squares"),
            "product_sum": pick(fields, "main_denominator_sum_product product_sum"),
        }
        below = ratio.of_ratio(moments_of(pairs, RATIO))
        design = below.variance_of_mean / (q * (1 - q) / n)
    return quantile.OrderedSample(
        n=n,
        n_star=pick(fields, "n_star nstar", default=n),
        q=q,
        estimate=pick(fields, "quantile_hat estimate quantile_value value quantile"),
        lower=pick(fields, "quantile_lower lower low"),
        upper=pick(fields, "quantile_upper upper high"),
        design_effect=design,
    ).summary()


def quantile_difference(inputs, settings):
    sides = arms(inputs)
    if has(sides[0], "values") and has(sides[0], "units clusters"):
        q = level_of(inputs, settings)
        c, t = (
            quantile.clustered(one["values"], pick(one, "units clusters"), q, alpha=alpha_of(settings)) for one in sides
        )
    else:
        c, t = (ordered_of(one, inputs, settings) for one in sides)
    options = {"alpha": alpha_of(settings), "alternative": side_of(settings)}
    if is_relative(settings):
        return relative_of(c, t, settings, options)
    found = means.welch(c, t, **options)
    return numbers(
        found,
        variance_control=c.variance,
        variance_treatment=t.variance,
        se_control=math.sqrt(c.variance_of_mean),
        se_treatment=math.sqrt(t.variance_of_mean),
    )


# --- the split --------------------------------------------------------------------------------------------------------


def per_arm(value):
    return list(value.values()) if isinstance(value, dict) else list(value)


def observed_of(inputs):
    given = pick(inputs, "observed counts users n arms", default=None)
    if given is None:
        return [pick(one, "n users count") if isinstance(one, dict) else one for one in arms(inputs)]
    return per_arm(given)


def weights_of(inputs, settings, k):
    given = pick(inputs, "weights expected_weights split ratio probabilities null_probabilities p0", default=None)
    if given is None:
        given = pick(settings, "weights split probabilities null_probabilities theta_0", default=[1.0] * k)
    return per_arm(given)


def srm_chi_square(inputs, settings):
    observed = observed_of(inputs)
    found = srm.chi_square(
        observed,
        weights_of(inputs, settings, len(observed)),
        threshold=pick(settings, "threshold alpha", default=0.001),
    )
    return {
        **named("statistic chi2 chi_square", found.statistic),
        **named("df dof", found.df),
        **named("p p_value srm_p", found.p_value),
        **named("flagged failed srm mismatch", found.failed),
    }


def srm_sequential(inputs, settings):
    looks = pick(inputs, "looks daily increments counts observed daily_counts data batches daily_users", default=None)
    if looks is None:
        nested = [
            value for value in inputs.values() if isinstance(value, list) and value and isinstance(value[0], list)
        ]
        looks = nested[0] if nested else list(zip(*(per_arm(one) for one in arms(inputs)), strict=True))
    looks = [per_arm(row) if isinstance(row, (list, tuple, dict)) else row for row in looks]
    if looks and not isinstance(looks[0], (list, tuple)):
        looks = [looks]
    if has(inputs, "cumulative") or "cumulative" in str(pick(settings, "counts data looks", default="")).lower():
        looks = np.diff(np.vstack([np.zeros(len(looks[0])), np.array(looks, float)]), axis=0)
    both = {**inputs, **settings}
    concentration = pick(both, "concentration dirichlet_concentration prior_concentration kappa k", default=None)
    weights = weights_of(inputs, settings, len(looks[0]))
    prior = pick(both, "prior alpha0 dirichlet dirichlet_alpha prior_alpha", default=None)
    if concentration is None and isinstance(prior, (list, tuple)):
        concentration = float(sum(prior))
    if concentration is None and isinstance(prior, (int, float)):
        concentration = float(prior)
    found = srm.sequential(
        looks,
        weights,
        concentration=float(concentration or 10_000.0),
        threshold=pick(settings, "threshold alpha", default=0.001),
    )
    bayes_factors = np.exp(np.clip(found.log_bayes_factor, -700, 700)).tolist()
    p = found.p_values.tolist()
    below = np.flatnonzero(found.p_values < pick(settings, "threshold alpha", default=0.001))
    return {
        **named("p_values sequential_p p_sequence p_always_valid_path p_path", p),
        **named("p p_value p_final p_always_valid p_last", p[-1]),
        **named("bayes_factors bayes_factor_path", bayes_factors),
        **named("bayes_factor bf bayes_factor_final odds posterior_odds", bayes_factors[-1]),
        **named("log_bayes_factors log_bf_path", found.log_bayes_factor.tolist()),
        **named("log_bayes_factor log_bf", float(found.log_bayes_factor[-1])),
        "posterior": list(found.posterior),
        **named("flagged failed rejected srm", found.check.failed),
        **named("first_flagged flagged_at first_look first_flagged_look", int(below[0]) + 1 if len(below) else None),
    }


# --- sequential -------------------------------------------------------------------------------------------------------


def msprt(inputs, settings):
    both = {**inputs, **settings}
    tau = pick(both, "tau mixing_sd", default=None)
    tau = math.sqrt(pick(both, "tau2 tau_squared mixing_variance tau_sq")) if tau is None else tau
    options = {"tau": tau, "alpha": alpha_of(settings)}

    def at(fields):
        n = pick(fields, "n_per_arm n", default=None)
        sd = pick(fields, "sd sigma", default=None)
        variance = pick(fields, "variance sigma2", default=None)
        variance = sd**2 if variance is None and sd is not None else variance
        if variance is None:
            c, t = (summary_of(one) for one in arms(fields))
            return t.mean - c.mean, c.variance_of_mean + t.variance_of_mean
        n_c, n_t = pick(fields, "n_control", default=n), pick(fields, "n_treatment", default=n)
        difference = pick(fields, "observed_difference difference effect estimate", default=None)
        if difference is None:
            difference = fields["mean_treatment"] - fields["mean_control"]
        return difference, variance * (1 / n_c + 1 / n_t)

    listed = pick(inputs, "looks", default=None)
    if listed is None and any(isinstance(value, list) for value in inputs.values()):
        length = max(len(value) for value in inputs.values() if isinstance(value, list))
        listed = [
            {key: value[i] if isinstance(value, list) else value for key, value in inputs.items()}
            for i in range(length)
        ]
    looks = [at({**inputs, **one}) for one in listed] if listed else [at(inputs)]
    each = [sequential.msprt_normal(d, v, **options) for d, v in looks]
    p = np.minimum.accumulate([one.p_value for one in each]).tolist()
    last = each[-1]
    result = {
        "likelihood_ratio": last.likelihood_ratio,
        "lambda": last.likelihood_ratio,
        "log_likelihood_ratio": math.log(last.likelihood_ratio),
        **named("p_always_valid p p_value", p[-1]),
        "ci": [last.ci_lo, last.ci_hi],
        "estimate": looks[-1][0],
        **named("reject rejected", bool(p[-1] <= options["alpha"])),
    }
    if listed:
        lrs = [one.likelihood_ratio for one in each]
        result |= {"likelihood_ratios": lrs, "p_values": p, "cis": [[one.ci_lo, one.ci_hi] for one in each]}
        if any(isinstance(value, list) for value in inputs.values()):
            result |= {"likelihood_ratio_path": lrs, "p_always_valid_path": p, "p_path": p}
    return result


def base_effect(inputs, settings):
    sides = arms(inputs)
    alpha = alpha_of(settings)
    if not sides[0] and has(inputs, "se variance estimate"):
        estimate = pick(inputs, "estimate difference observed_difference mean")
        se = pick(inputs, "se standard_error", default=None)
        n = pick(inputs, "n n_total", default=None)
        if se is None:
            sd = pick(inputs, "sd sigma", default=None)
            se = math.sqrt((sd**2 if sd is not None else pick(inputs, "variance")) / n)
        return wald(estimate, se, alpha=alpha, method=""), n
    if has(sides[0], "denominator_sum"):
        c, t = (ratio.of_ratio(moments_of(one, RATIO)) for one in sides)
    else:
        c, t = (summary_of(one) for one in sides)
    relative = is_relative(settings)
    found = (means.relative_delta if relative else means.welch)(c, t, alpha=alpha)
    return wald(found.estimate, found.se, alpha=alpha, method=""), c.n + t.n


def confidence_sequence(inputs, settings, side="two-sided"):
    looks = pick(inputs, "looks", default=None)
    if isinstance(looks, list):
        each = [confidence_sequence({**inputs, "looks": None, **one}, settings, side) for one in looks]
        return each[-1] | {f"{key}s": [one[key] for one in each] for key in ("ci", "p", "estimate", "half_width")}
    effect, n = base_effect(inputs, settings)
    both = {**inputs, **settings}
    tuning = pick(
        both, "tuning sequential_tuning_parameter tuning_parameter n_star tuned_for optimal_n", default=5000.0
    )
    found = sequential.asymptotic(
        effect, n, tuning=tuning, rho=pick(both, "rho", default=None), alpha=alpha_of(settings), alternative=side
    )
    more = {
        "rho": found.rho,
        "half_width": found.half_width,
        "halfwidth": found.half_width,
        "p_always_valid": found.effect.p_value,
        "n": n,
    }
    low, high = found.effect.ci_lo, found.effect.ci_hi
    return numbers(found.effect) | more | {"lower_bound": low, "upper_bound": high}


def confidence_sequence_one_sided(inputs, settings):
    return confidence_sequence(inputs, settings, side_of({**settings, "sides": "one"}, "greater"))


def spending_of(settings):
    text = str(pick(settings, "spending spending_function function type method", default="")).lower()
    number = pick(settings, "rho gamma parameter", default=None)
    if "pocock" in text:
        return group_sequential.pocock
    if re.search(r"hwang|hsd|gamma", text):
        gamma = -4.0 if number is None else number
        return lambda t, alpha: group_sequential.hwang_shih_decani(t, alpha, gamma=gamma)
    if re.search(r"power|kim", text):
        rho = 3.0 if number is None else number
        return lambda t, alpha: group_sequential.power_family(t, alpha, rho=rho)
    return group_sequential.obrien_fleming


def sided(settings):
    given = pick(settings, "sides", default=None)
    if given is not None:
        return 2 if str(given).lower() in ("2", "2.0", "two", "two-sided") else 1
    return 2 if side_of(settings) == "two-sided" else 1


def group_bounds(inputs, settings):
    times = pick(inputs, "information_fractions fractions information times t", default=None)
    if times is None:
        n = pick(inputs, "n looks sample_sizes information_n")
        times = [one / pick({**inputs, **settings}, "n_max planned_n max_n n_planned", default=n[-1]) for one in n]
    found = group_sequential.bounds(
        times, alpha=alpha_of(settings), sides=sided(settings), spending=spending_of(settings)
    )
    spent, z = list(found.spent), list(found.z)
    each = np.diff([0.0, *spent]).tolist()
    one_side = [tail.lower_tail(-one) for one in found.z]
    result = {
        **named("cumulative_alpha alpha_spent cumulative_alpha_spent spent", spent),
        **named("z_bounds bounds upper_bounds z critical_values", z),
        "lower_bounds": [-one for one in z],
        **named("incremental_alpha alpha_increments", each),
        **named("nominal_p p_bounds nominal_alpha", list(found.nominal_p)),
        "nominal_p_one_sided": one_side,
    }
    seen = pick(inputs, "z_observed observed_z z_values", default=None)
    if seen is not None:
        crossed = [abs(a) >= b for a, b in zip(seen, found.z, strict=False)]
        result |= named("crossed reject stopped", crossed)
        result["stop_look"] = crossed.index(True) + 1 if any(crossed) else None
    drift = pick({**inputs, **settings}, "drift", default=None)
    if drift is not None:
        result["power"] = group_sequential.crossing(times, found.z, drift=drift, sides=sided(settings))[-1]
    return result


# --- planning ---------------------------------------------------------------------------------------------------------


def plan_fields(inputs, settings):
    both = {**settings, **inputs}
    options = {"alpha": alpha_of(both), "alternative": "two-sided" if sided(both) == 2 else "greater"}
    options["ratio"] = float(pick(both, "ratio allocation_ratio n_ratio", default=1.0))
    return both, options


def target_power(both, default=0.8):
    return float(pick(both, "power target_power", default=1 - pick(both, "beta", default=1 - default)))


def mean_effect(both):
    """Effect and standard deviation."""
    sd = pick(both, "sd sigma std stdev", default=None)
    if sd is None and has(both, "variance"):
        sd = math.sqrt(both["variance"])
    if has(both, "effect_size cohens_d d standardized_effect"):
        d = pick(both, "effect_size cohens_d d standardized_effect")
        return d * (sd or 1.0), sd or 1.0
    effect = pick(both, "difference effect delta mde mean_difference absolute_effect mde_absolute", default=None)
    base = pick(both, "baseline mean baseline_mean mean_control control_mean", default=None)
    if effect is None and has(both, "mean_treatment treatment_mean"):
        effect = pick(both, "mean_treatment treatment_mean") - base
    if effect is None:
        effect = base * pick(both, "relative_effect relative_mde lift mde_relative relative_lift")
    elif base is not None and "relative" in str(pick(both, "mde_type effect_type difference_type", default="")).lower():
        effect = base * effect
    return effect, sd


def reference_of(both, default):
    text = " ".join(
        str(both.get(key, ""))
        for key in ("reference", "test", "distribution", "engine", "method", "formula", "variance")
    ).lower()
    if re.search(r"normal|\bz\b|z[- ]test|z_", text):
        return "normal"
    return "t" if re.search(r"\bt\b|t[- ]test|student|noncentral|ttest", text) else default


def n_of(both):
    return float(pick(both, "n_per_arm n_control n nobs1 n1 n_per_group sample_size"))


def ratio_from(both, options):
    if has(both, "n_treatment n2") and has(both, "n_control n1"):
        options["ratio"] = pick(both, "n_treatment n2") / pick(both, "n_control n1")
    return options


def power_of_means(inputs, settings):
    both, options = plan_fields(inputs, settings)
    effect, sd = mean_effect(both)
    effect = abs(effect) if options["alternative"] == "greater" else effect
    found = power.of_means(effect, sd, n_of(both), reference=reference_of(both, "t"), **ratio_from(both, options))
    return {"power": found, "effect_size": effect / sd, "beta": 1 - found}


def proportions_of(both):
    p = pick(both, "p_control baseline p1 control p0 baseline_rate p_baseline control_rate p_c")
    p = p["p"] if isinstance(p, dict) else p
    if has(both, "p_treatment p2 treatment treatment_rate p_t"):
        q = pick(both, "p_treatment p2 treatment treatment_rate p_t")
        return p, q["p"] if isinstance(q, dict) else q
    if has(both, "relative_effect relative_mde lift mde_relative relative_lift"):
        return p, p * (1 + pick(both, "relative_effect relative_mde lift mde_relative relative_lift"))
    effect = pick(both, "difference effect delta mde absolute_effect absolute_mde mde_absolute")
    if "relative" in str(pick(both, "mde_type effect_type difference_type", default="")).lower():
        return p, p * (1 + effect)
    return p, p + effect


def variance_of(both):
    text = words({key: value for key, value in both.items() if isinstance(value, str)})
    if re.search(r"arcsin|cohen|effectsize|effect_size|normalindpower", text):
        return "arcsine"
    return "unpooled" if "unpooled" in text and not re.search(r"(?<!un)pooled", text) else "pooled"


def power_of_proportions(inputs, settings):
    both, options = plan_fields(inputs, settings)
    p, q = proportions_of(both)
    if options["alternative"] == "greater" and q < p:
        options["alternative"] = "less"
    options = ratio_from(both, options)
    each = {
        one: power.of_proportions(p, q, n_of(both), variance=one, **options)
        for one in ("pooled", "unpooled", "arcsine")
    }
    h = 2 * (math.asin(math.sqrt(q)) - math.asin(math.sqrt(p)))
    return {
        "power": each[variance_of(both)],
        "effect_size": h,
        "h": h,
        **{f"power_{key}": value for key, value in each.items()},
    }


def sizes(n, ratio_, both):
    """Sample sizes under their names; rounded up where the settings say so."""
    up = [math.ceil(one - 1e-9 * max(one, 1)) for one in (n, n * ratio_)]
    rounded = bool(
        re.search(r"round|ceil|whole", words({k: v for k, v in both.items() if not isinstance(v, (int, float))}))
    )
    main = [float(one) for one in up] if rounded else [n, n * ratio_]
    return {
        **named("n_per_arm n n_control n_per_group sample_size nobs1 n1", main[0]),
        **named("n_treatment nobs2 n2", main[1]),
        **named("n_total total", sum(up) if rounded else sum(main)),
        **named("n_per_arm_ceil n_per_arm_rounded n_ceil n_per_arm_rounded_up n_rounded n_control_ceil", up[0]),
        **named("n_treatment_ceil n_treatment_rounded", up[1]),
        **named("n_total_ceil total_rounded n_total_rounded", sum(up)),
        **named("n_exact n_per_arm_exact n_raw", n),
    }


def size_of_means(inputs, settings):
    both, options = plan_fields(inputs, settings)
    effect, sd = mean_effect(both)
    n = power.units_for_means(abs(effect), sd, power=target_power(both), reference=reference_of(both, "t"), **options)
    return sizes(n, options["ratio"], both) | {"effect_size": effect / sd}


def size_of_proportions(inputs, settings):
    both, options = plan_fields(inputs, settings)
    p, q = proportions_of(both)
    each = {
        one: power.units_for_proportions(p, q, power=target_power(both), variance=one, **options)
        for one in ("pooled", "unpooled", "arcsine")
    }
    h = 2 * (math.asin(math.sqrt(q)) - math.asin(math.sqrt(p)))
    found = sizes(each[variance_of(both)], options["ratio"], both)
    return found | {"effect_size": h, "h": h} | {f"n_per_arm_{key}": value for key, value in each.items()}


def detectable(inputs, settings):
    both, options = plan_fields(inputs, settings)
    options = ratio_from(both, options)
    n, wanted = n_of(both), target_power(both)
    base = pick(both, "p_control baseline_rate p p0 p_baseline baseline_proportion", default=None)
    if base is None and not has(both, "sd sigma variance std") and has(both, "baseline"):
        base = both["baseline"]
    if base is not None:
        se = math.sqrt(base * (1 - base) * (1 + 1 / options["ratio"]) / n)
        text = words({key: value for key, value in both.items() if isinstance(value, str)})
        simple = re.search(r"baseline variance|base variance|both arms at|\(z.*\+.*z.*\)|null variance", text)
        if simple:
            found = power.detectable(se, power=wanted, alpha=options["alpha"], alternative=options["alternative"])
        else:
            found = power.detectable_proportion(base, n, power=wanted, variance=variance_of(both), **options)
        mean = base
    else:
        sd = pick(both, "sd sigma std", default=None)
        sd = math.sqrt(both["variance"]) if sd is None else sd
        reduced = (
            sd
            * math.sqrt(1 - pick(both, "correlation rho", default=0.0) ** 2)
            * math.sqrt(pick(both, "design_effect", default=1.0))
        )
        found = power.detectable_mean(reduced, n, power=wanted, reference=reference_of(both, "normal"), **options)
        mean = pick(both, "mean baseline baseline_mean mean_control", default=math.nan)
        se = reduced * math.sqrt((1 + 1 / options["ratio"]) / n)
        base = None
    result = {
        **named("mde mde_absolute absolute minimum_detectable_effect estimate", found),
        **named("mde_relative relative relative_mde", found / mean if mean else math.nan),
        "se": se,
    }
    if base is None:
        result |= named("effect_size cohens_d d mde_standardized", found / reduced)
    return result


def size_with_days(inputs, settings):
    both, options = plan_fields(inputs, settings)
    if has(both, "sd sigma variance effect_size d std"):
        effect, sd = mean_effect(both)
        plain = power.units_for_means(
            abs(effect), sd, power=target_power(both), reference=reference_of(both, "normal"), **options
        )
    else:
        p, q = proportions_of(both)
        plain = power.units_for_proportions(p, q, power=target_power(both), variance=variance_of(both), **options)
    r = pick(both, "correlation rho r cuped_correlation pre_post_correlation", default=None)
    r = math.sqrt(pick(both, "r_squared r2 variance_explained variance_reduction", default=0.0)) if r is None else r
    design = pick(both, "design_effect deff", default=None)
    if design is None:
        icc, m = pick(both, "icc intraclass_correlation", default=0.0), pick(both, "cluster_size m", default=1.0)
        design = 1 + (m - 1) * icc
    a_day = pick(
        both,
        "users_per_day units_per_day daily_users traffic_per_day daily_traffic users_a_day per_day visitors_per_day",
        default=None,
    )
    if a_day is None:
        a_day = (1 + options["ratio"]) * pick(both, "users_per_day_per_arm per_arm_per_day daily_users_per_arm")
    a_day = a_day * pick(both, "allocation traffic_share exposure_share share traffic_fraction", default=1.0)
    found = power.plan(plain, a_day=a_day, ratio=options["ratio"], correlation=r, design_effect=design)
    without = power.plan(plain, a_day=a_day, ratio=options["ratio"], design_effect=design)
    rounded = sizes(found.units, options["ratio"], both)
    plain_sizes = sizes(plain, options["ratio"], both)
    exact_days = found.units * (1 + options["ratio"]) / a_day
    result = dict(rounded)
    for name in ("cuped", "with_cuped", "adjusted"):
        result |= {f"{key}_{name}": value for key, value in rounded.items()}
    for name in ("plain", "without_cuped", "unadjusted", "raw", "no_cuped"):
        result |= {f"{key}_{name}": value for key, value in plain_sizes.items()}
    return result | {
        **named("days days_to_run days_cuped days_with_cuped days_ceil", found.days),
        **named("days_exact days_raw", exact_days),
        **named("days_without_cuped days_plain days_unadjusted days_no_cuped", without.days),
        "n_total": found.total,
        "variance_ratio": 1 - r**2,
        "variance_reduction": r**2,
        "design_effect": design,
    }


# --- several metrics, segments, time ----------------------------------------------------------------------------------


def adjusted_p_values(inputs, settings):
    given = pick(inputs, "p p_values pvalues p_raw raw_p raw")
    p = np.array(per_arm(given), float)
    alpha = alpha_of(settings)
    known = {
        "holm": ("holm",),
        "benjamini-hochberg": ("bh", "fdr_bh", "benjamini_hochberg", "fdr"),
        "bonferroni": ("bonferroni",),
        "hochberg": ("hochberg", "simes_hochberg", "simes-hochberg"),
        "sidak": ("sidak",),
        "benjamini-yekutieli": ("by", "fdr_by", "benjamini_yekutieli"),
    }
    result = {}
    for correction, names in known.items():
        q = multiplicity.adjusted(p, correction=correction)
        for name in names:
            decided = (q <= alpha).tolist()
            result |= {
                name: q.tolist(),
                f"p_{name}": q.tolist(),
                f"adjusted_{name}": q.tolist(),
                f"{name}_adjusted": q.tolist(),
            }
            result |= {
                f"reject_{name}": decided,
                f"rejected_{name}": decided,
                f"{name}_reject": decided,
                f"{name}_rejected": decided,
            }
            result |= {f"n_rejected_{name}": sum(decided), f"p_adjusted_{name}": q.tolist()}
    text = str(pick(settings, "method correction procedure", default=words(settings))).lower()
    chosen = "holm"
    for correction, pattern in (
        ("bonferroni", r"bonferroni"),
        ("sidak", r"sidak"),
        ("benjamini-hochberg", r"benjamini|\bbh\b|fdr"),
        ("hochberg", r"(?<!benjamini.)(?<!benjamini)hochberg"),
        ("holm", r"holm"),
        ("benjamini-yekutieli", r"yekutieli|fdr_by|\bby\b"),
    ):
        if re.search(pattern, text):
            chosen = correction
    if re.search(r"benjamini.{1,5}hochberg|fdr_bh", text):
        chosen = "benjamini-hochberg"
    q = multiplicity.adjusted(p, correction=chosen)
    result |= named("adjusted p_adjusted adjusted_p p p_values", q.tolist())
    result |= named("rejected reject significant", (q <= alpha).tolist())
    return result | {"n_rejected": int((q <= alpha).sum())}


def heterogeneity(inputs, settings):
    rows = pick(inputs, "segments strata", default=None)
    if rows is None:
        effects = pick(inputs, "effects estimates effect estimate")
        errors = pick(inputs, "ses se standard_errors errors", default=None)
        errors = np.sqrt(pick(inputs, "variances variance")) if errors is None else errors
        effects, errors = per_arm(effects), per_arm(errors)
    else:
        effects, errors = [], []
        for row in per_arm(rows):
            if has(row, "effect estimate difference"):
                effects.append(pick(row, "effect estimate difference"))
                errors.append(pick(row, "se standard_error", default=None) or math.sqrt(pick(row, "variance")))
                continue
            sides = arms(row)
            if all(has(one, "successes conversions") for one in sides):
                one = proportion.two_proportion_z(*(share_of(x) for x in sides), pooled=False)
            else:
                one = means.welch(*(summary_of(x) for x in sides))
            effects.append(one.estimate)
            errors.append(one.se)
    found = segments.heterogeneity(effects, errors, alpha=alpha_of(settings))
    pooled = numbers(found.pooled)
    return {
        **{f"pooled_{key}": value for key, value in pooled.items()},
        **{f"{key}_pooled": value for key, value in pooled.items()},
        **named("pooled estimate fixed_effect pooled_effect", found.pooled.estimate),
        **named("se pooled_se", found.pooled.se),
        "ci": pooled["ci"],
        **named("q Q statistic cochran_q", found.q),
        **named("df dof", found.df),
        **named("p p_value p_q p_heterogeneity", found.p_value),
        **named("i2 i_squared I2 I_squared", found.i_squared),
        **named("tau2 tau_squared", found.tau_squared),
        **named("effects estimates segment_effects", list(map(float, effects))),
        **named("ses errors segment_ses", list(map(float, errors))),
        "i2_percent": 100 * found.i_squared,
    }


def mantel_haenszel(inputs, settings):
    rows = pick(inputs, "strata segments tables")
    sides = []
    for row in per_arm(rows):
        if isinstance(row, (list, tuple)):
            sides.append(shares({"table": row}))
        else:
            sides.append(shares(pick(row, "arms", default=row)))
    found = segments.mantel_haenszel([c for c, _ in sides], [t for _, t in sides], alpha=alpha_of(settings))
    o, r, d = (numbers(one) for one in (found.odds_ratio, found.risk_ratio, found.adjusted))
    corrected = str(pick(settings, "correction continuity continuity_correction", default=False)).lower() in (
        "true",
        "yes",
        "1",
    )
    chi, p = (found.cmh_corrected, found.cmh_corrected_p) if corrected else (found.cmh, found.cmh_p)
    return {
        **named(
            "crude crude_difference pooled_difference crude_risk_difference naive_difference aggregate_difference",
            found.crude,
        ),
        **named(
            "mh_difference adjusted_difference mh_risk_difference risk_difference estimate risk_difference_mh adjusted",
            found.adjusted.estimate,
        ),
        **named("mh_difference_se se mh_risk_difference_se risk_difference_se", found.adjusted.se),
        **named("mh_difference_ci ci mh_risk_difference_ci", d["ci"]),
        **named(
            "odds_ratio mh_odds_ratio odds_ratio_mh odds_ratio_pooled or_mh pooled_odds_ratio common_odds_ratio",
            found.odds_ratio.ratio,
        ),
        **named("log_odds_ratio mh_log_odds_ratio logodds_pooled log_odds_ratio_mh log_odds_pooled", o["log_ratio"]),
        **named(
            "log_odds_ratio_se mh_log_odds_ratio_se logodds_pooled_se se_log log_odds_pooled_se se_log_or",
            found.odds_ratio.log_se,
        ),
        **named("odds_ratio_ci mh_odds_ratio_ci odds_ratio_mh_ci ci_odds_ratio or_ci", o["ci"]),
        **named("crude_odds_ratio odds_ratio_crude naive_odds_ratio marginal_odds_ratio", found.crude_odds_ratio),
        **named("risk_ratio mh_risk_ratio risk_ratio_mh riskratio_pooled risk_ratio_pooled", found.risk_ratio.ratio),
        **named("risk_ratio_ci mh_risk_ratio_ci", r["ci"]),
        **named("cmh cmh_statistic statistic chi2 cmh_chi2", chi),
        **named("cmh_p p p_value p_cmh", p),
        **named("differences segment_differences stratum_differences strata_differences", list(found.differences)),
        **named("reversed simpson simpson_alarm reversal paradox flagged sign_reversed", found.reversed),
    }


def novelty_slope(inputs, settings):
    effects = pick(inputs, "effects daily_effects effect estimates differences daily_differences y", default=None)
    rows = pick(inputs, "days daily", default=None)
    if isinstance(rows, list) and rows and isinstance(rows[0], dict):
        errors = [pick(row, "se standard_error", default=1.0) for row in rows]
        effects = [pick(row, "effect estimate difference") for row in rows]
        days = [pick(row, "day t", default=i) for i, row in enumerate(rows)]
    else:
        errors = pick(inputs, "ses se standard_errors errors", default=None)
        if errors is None and has(inputs, "weights"):
            errors = 1 / np.sqrt(np.array(inputs["weights"], float))
        days = pick(inputs, "days day t x", default=list(range(len(effects))))
        if isinstance(days, (int, float)):
            days = list(range(len(effects)))
    text = words(settings)
    plain = errors is None or bool(re.search(r"ols|unweighted", text))
    errors = np.ones(len(effects)) if plain else np.broadcast_to(np.array(errors, float), len(effects))
    known = (
        not plain
        and bool(re.search(r"known|normal|fixed|z\b", text))
        and not re.search(r"t\(|student|estimated|reference t", text)
    )
    found = segments.novelty(days, effects, errors, alpha=alpha_of(settings), known=known)
    slope = numbers(found.effect)
    return slope | {
        "slope": found.effect.estimate,
        "slope_se": found.effect.se,
        "se_slope": found.effect.se,
        "slope_p": found.effect.p_value,
        "p_slope": found.effect.p_value,
        "slope_ci": slope["ci"],
        "intercept": found.intercept,
        "fades": found.fades,
    }


# --- posteriors -------------------------------------------------------------------------------------------------------


def prior_of(inputs, settings, default):
    given = pick({**inputs, **settings}, "prior", default=None)
    if isinstance(given, dict) and any(isinstance(one, (dict, list)) for one in given.values()):
        given = pick(given, "control", default=None)
    if isinstance(given, dict):
        return tuple(
            float(one)
            for one in (
                pick(given, "alpha a shape", default=default[0]),
                pick(given, "beta b rate", default=1 / given["scale"] if "scale" in given else default[1]),
            )
        )
    if isinstance(given, (list, tuple)):
        return float(given[0]), float(given[1])
    both = {**inputs, **settings}
    first = pick(both, "prior_a prior_alpha alpha_prior prior_shape a0 alpha0 shape", default=None)
    second = pick(both, "prior_b prior_beta beta_prior prior_rate b0 beta0 rate", default=None)
    if first is not None and second is not None:
        return float(first), float(second)
    found = re.search(r"(?:beta|gamma)\(?\s*(?:shape)?\s*([\d.]+)\s*,\s*(?:rate)?\s*([\d.]+)", str(given).lower())
    if found:
        return float(found[1]), float(found[2])
    if "jeffreys" in words(settings):
        return (0.5, 0.5) if default[1] else (0.5, 0.0)
    return default


def posterior_answer(found, alpha):
    c, t = list(found.control), list(found.treatment)
    beats = "p_treatment_better probability_treatment_better prob_treatment_better prob_better superiority"
    beats += " chance_to_win p_better prob_treatment_beats_control prob_treatment_greater p_treatment_greater"
    beats += (
        " prob_b_gt_a probability_better prob_b_beats_a p_superior prob_superiority p_treatment_beats_control p_greater"
    )
    loss = "expected_loss_treatment loss_treatment expected_loss risk_treatment expected_loss_if_treatment"
    loss_c = "expected_loss_control loss_control risk_control expected_loss_choose_control expected_loss_if_control"
    return {
        **named("posterior_control control_posterior", c),
        **named("posterior_treatment treatment_posterior", t),
        "posterior": {"control": c, "treatment": t},
        **named("mean_control posterior_mean_control", found.mean_control),
        **named("mean_treatment posterior_mean_treatment", found.mean_treatment),
        **named("ci_control interval_control credible_interval_control credible_control", list(found.interval_control)),
        **named(
            "ci_treatment interval_treatment credible_interval_treatment credible_treatment",
            list(found.interval_treatment),
        ),
        **named(beats, found.superiority),
        **named("estimate difference mean_difference expected_difference posterior_mean_difference", found.difference),
        **named("ci interval credible_interval ci_difference difference_ci", list(found.interval)),
        **named("ratio_ci ci_ratio ratio_interval credible_interval_ratio rate_ratio_ci", list(found.ratio_interval)),
        **named(loss, found.loss_treatment),
        **named(loss_c, found.loss_control),
        "risk": [found.loss_control, found.loss_treatment],
    }


def beta_binomial(inputs, settings):
    c, t = shares(inputs)
    alpha = alpha_of(settings)
    found = bayes.beta_binomial(c, t, prior=prior_of(inputs, settings, (1.0, 1.0)), alpha=alpha)
    return posterior_answer(found, alpha)


def gamma_poisson(inputs, settings):
    c, t = (rate_of(one) for one in arms(inputs))
    alpha = alpha_of(settings)
    found = bayes.gamma_poisson(c, t, prior=prior_of(inputs, settings, (1.0, 1.0)), alpha=alpha)
    closed = bayes.rate_superiority(found.control, found.treatment)
    return posterior_answer(found, alpha) | {"closed_form": closed}


def normal_posterior(inputs, settings, *, flat):
    alpha = alpha_of(settings)
    effect, _ = base_effect(inputs, settings)
    both = {**inputs, **settings}
    prior = pick(both, "prior", default={})
    prior = prior if isinstance(prior, dict) else {}
    mean = pick(prior, "mean mu", default=pick(both, "prior_mean", default=0.0))
    sd = pick(prior, "sd sigma std stddev", default=pick(both, "prior_sd prior_std prior_stddev", default=None))
    if sd is None:
        variance = pick(prior, "variance var", default=pick(both, "prior_variance prior_var", default=1.0))
        sd = math.sqrt(variance)
    scaled = str(pick(prior, "type", default=pick(both, "prior_type prior_scale prior_on", default=""))).lower()
    relative = is_relative(settings)
    if not flat and scaled and ("relative" in scaled) != relative:
        base = abs(summary_of(arm(inputs, "control")).mean)
        mean, sd = (mean / base, sd / base) if relative else (mean * base, sd * base)
    found = bayes.normal(
        effect.estimate, effect.se, prior_mean=0.0 if flat else mean, prior_sd=math.inf if flat else sd, alpha=alpha
    )
    beats = "chance_to_win p_treatment_better probability_treatment_better superiority prob_better p_better p_positive"
    beats += " prob_positive prob_treatment_better p_greater probability_positive prob_superiority"
    return {
        **named("estimate mean posterior_mean expected", found.mean),
        **named("sd se posterior_sd stddev posterior_se", found.sd),
        "posterior_variance": found.sd**2,
        **named("ci interval credible_interval", list(found.interval)),
        **named(beats, found.superiority),
        **named("risk expected_loss_pair expected_losses", [found.loss_control, found.loss_treatment]),
        **named(
            "risk_treatment loss_treatment expected_loss_treatment expected_loss risk_of_treatment",
            found.loss_treatment,
        ),
        **named("risk_control loss_control expected_loss_control risk_of_control", found.loss_control),
        "data_estimate": effect.estimate,
        "data_se": effect.se,
    }


# --- events -----------------------------------------------------------------------------------------------------------


def rows_of(inputs, names, second="ds"):
    rows = pick(inputs, names, default=None)
    if isinstance(rows, dict):
        return pd.DataFrame(rows)
    if rows and isinstance(rows[0], (list, tuple)):
        return pd.DataFrame(rows, columns=["unit", "arm", "ds"] if len(rows[0]) == 3 else ["unit", second])
    return None if rows is None else pd.DataFrame(rows)


NAMES = {
    "unit": ("unit", "user", "user_id", "unit_id", "id", "uid", "visitor", "visitor_id", "subject"),
    "arm": ("arm", "variant", "variation", "group", "bucket"),
    "ds": ("ds", "time", "t", "ts", "timestamp", "at", "event_time", "minute", "day", "hour"),
    "value": ("value", "amount", "spend", "revenue"),
    "event": ("event", "type", "kind", "event_type", "name"),
}


def renamed(frame):
    """The library's column names in place of a case's."""
    names = {}
    for ours, theirs in NAMES.items():
        for one in theirs:
            if one in frame.columns and ours not in names.values():
                names[one] = ours
    frame = frame.rename(columns=names)
    if "ds" not in frame.columns:
        frame = frame.assign(ds=0)
    if frame["ds"].dtype == object or str(frame["ds"].dtype).startswith("str"):
        frame = frame.assign(ds=pd.to_datetime(frame["ds"], utc=True))
    return frame


def event_tables(inputs):
    """Exposures and outcomes, from two tables or from one in which a column tells them apart."""
    exposures = rows_of(inputs, "exposures assignments exposure", "arm")
    theirs = "outcomes conversions outcome_events applies" + (" events" if exposures is not None else "")
    events = rows_of(inputs, theirs)
    if exposures is None:
        table = renamed(rows_of(inputs, "events rows log"))
        is_exposure = table["event"].astype(str).str.contains("expos|assign|view", case=False)
        exposures, events = table[is_exposure], table[~is_exposure]
        return exposures[["unit", "arm", "ds"]], events.drop(columns=[one for one in ("arm", "event") if one in events])
    exposures = renamed(exposures)
    if events is None:
        return exposures[["unit", "arm", "ds"]], exposures[["unit", "ds"]].iloc[:0]
    events = renamed(events)
    return exposures[["unit", "arm", "ds"]], events.drop(columns=[one for one in ("arm", "event") if one in events])


def window_of(within, moments):
    """So long after the exposure: a text such as "7d" beside times, a number of the same unit beside numbers."""
    if isinstance(within, str) and moments.dtype.kind != "i":
        return pd.Timedelta(within)
    if isinstance(within, (int, float)) and moments.dtype.kind == "i":
        return pd.Timedelta(int(within), unit="ns")  # of numbers one is taken as one nanosecond
    return None


def conversion_from_events(inputs, settings):
    exposures, events = event_tables(inputs)
    exposed = exposure.first_exposures(exposures)
    window = window_of(pick({**inputs, **settings}, "window within", default=None), exposures["ds"])
    events = events.rename(columns={"event_id": "id"})
    did = tally.deeds(exposed, events.assign(event="outcome"))
    taken = {name: did.taken("outcome", name, within=window) for name in ("converted", "events", "value")}
    result = {}
    by_arm = {}
    for name, table in exposed.frame.assign(**taken).groupby("arm", observed=True):
        n, k = len(table), int(table["converted"].sum())
        one = {
            **named("n exposed users units", n),
            **named("conversions converted successes converters", k),
            **named("rate conversion conversion_rate p", k / n),
            "events": int(table["events"].sum()),
            "value": float(table["value"].sum()),
        }
        by_arm[str(name)] = one
        result |= {f"{key}_{name}": value for key, value in one.items()}
        result |= {f"{name}_{key}": value for key, value in one.items()}
        result[str(name)] = one
    for key in (
        "n",
        "exposed",
        "users",
        "units",
        "conversions",
        "converted",
        "successes",
        "rate",
        "conversion",
        "conversion_rate",
    ):
        result[key] = {name: one[key] for name, one in by_arm.items()}
    result |= {"by_variant": by_arm, "variants": by_arm}
    crossed = sorted(map(str, exposed.crossed))
    result |= named("excluded multiple_exposure crossed excluded_users n_excluded excluded_units", len(crossed))
    result |= {
        "excluded_ids": crossed,
        "before_exposure": did.before,
        "unexposed": did.unexposed,
        "ignored_before": did.before,
    }
    names = list(by_arm)
    if {"control", "treatment"} <= set(names):
        c, t = (
            proportion.Share(successes=by_arm[one]["converted"], n=by_arm[one]["n"]) for one in ("control", "treatment")
        )
        result |= {
            key: value
            for key, value in numbers(proportion.two_proportion_z(c, t, alpha=alpha_of(settings))).items()
            if key not in result
        }
    return result


def multiple_exposure(inputs, settings):
    exposures, _ = event_tables(inputs)
    exposed = exposure.first_exposures(exposures)
    crossed = sorted(map(str, exposed.crossed))
    units = exposed.units()
    total = int(exposures["unit"].nunique())
    share = len(crossed) / total
    result = {
        **named(
            "excluded n_excluded crossed n_multiple multiple multiple_exposures n_crossed units_in_two_arms",
            len(crossed),
        ),
        **named("excluded_ids crossed_ids excluded_units excluded_users multiple_ids", crossed),
        **named("share excluded_share share_excluded fraction share_multiple multiple_share", share),
        **named("total units n_units n_total users", total),
        **named("kept n_kept remaining", total - len(crossed)),
        **named("n n_by_variant kept_by_variant counts by_variant per_variant", units),
    }
    for name, n in units.items():
        result |= {f"n_{name}": n, f"{name}_n": n, name: n, f"kept_{name}": n}
    return result


METHODS = {
    "adjusted_p_values": adjusted_p_values,
    "asymptotic_confidence_sequence": confidence_sequence,
    "asymptotic_confidence_sequence_one_sided": confidence_sequence_one_sided,
    "beta_binomial": beta_binomial,
    "chi_square_independence": chi_square_independence,
    "cluster_robust_proportion": clustered_proportion,
    "conversion_by_variant_from_events": conversion_from_events,
    "counter_increase_with_resets": counter_increase,
    "cuped_mean": cuped_mean,
    "cuped_ratio": cuped_ratio,
    "difference_ci_miettinen_nurminen": miettinen_nurminen,
    "difference_ci_newcombe_wilson": newcombe,
    "exact_2x2": exact_2x2,
    "gamma_poisson": gamma_poisson,
    "group_sequential_bounds": group_bounds,
    "hac_mean_of_paired_buckets": hac_mean,
    "mann_whitney": mann_whitney,
    "minimum_detectable_effect": detectable,
    "msprt_normal": msprt,
    "multiple_exposure": multiple_exposure,
    "non_inferiority_proportion": non_inferiority,
    "normal_posterior_flat_prior": lambda inputs, settings: normal_posterior(inputs, settings, flat=True),
    "normal_posterior_normal_prior": lambda inputs, settings: normal_posterior(inputs, settings, flat=False),
    "novelty_slope": novelty_slope,
    "odds_ratio_log_ci": odds_ratio,
    "poisson_rate_ratio": poisson_rate_ratio,
    "power_two_means": power_of_means,
    "power_two_proportions": power_of_proportions,
    "pre_period_aa_and_did": pre_period,
    "quantile_ci_order_statistics": quantile_ci,
    "quantile_from_order_statistics": quantile_difference,
    "quasi_poisson_buckets": quasi_poisson,
    "ratio_delta_method": ratio_delta,
    "ratio_of_means_log_ci": log_ratio_of_means,
    "relative_risk_log_ci": relative_risk,
    "sample_size_two_means": size_of_means,
    "sample_size_two_proportions": size_of_proportions,
    "sample_size_with_cuped_and_days": size_with_days,
    "segment_heterogeneity_q": heterogeneity,
    "sequential_srm_multinomial": srm_sequential,
    "simpson_mantel_haenszel": mantel_haenszel,
    "srm_chi_square": srm_chi_square,
    "t_from_summary": t_from_summary,
    "tost_equivalence_mean": equivalence,
    "two_proportion_z": two_proportion_z,
    "welch_t": welch,
    "welch_t_relative_delta": welch_relative,
}
