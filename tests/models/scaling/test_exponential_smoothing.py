"""Exponential smoothing against textbook recursions, and what a window may depend on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnforecast.models.scaling.exponential_smoothing import (
    ExponentialSmoothing,
    SmoothedWindows,
    holt_winters,
)

B, L, H = 6, 40, 9
COUNT = 4
SEASONS = (4, 10)

every_seasons = pytest.mark.parametrize("seasons", [(), (4,), (4, 10), (10, 4), (50,)])


def data(steps: int = L, windows: int = B) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Values, mask, series (unknown ones too) and phases of some windows."""
    random = torch.Generator().manual_seed(1)
    values = torch.rand(windows, steps, generator=random, dtype=torch.float64) * 9 + 1
    mask = torch.rand(values.shape, generator=random) < 0.8
    series = torch.arange(windows) % (COUNT + 1)
    return values, mask, series, torch.randint(0, 99, (windows,), generator=random)


def random_smoothing(
    seasons: tuple[int, ...] = SEASONS, series: int = COUNT
) -> ExponentialSmoothing:
    """A smoothing in which every series has its own rates and factors."""
    torch.manual_seed(0)
    net = ExponentialSmoothing(series, seasons)
    with torch.no_grad():
        for part in net.parameters():
            part.add_(0.5 * torch.randn(part.shape))
        for rows in (net.series_rates, *net.series_factors):
            rows.weight[series] = 0.0
    return net


def state(smoothed: SmoothedWindows) -> list[Tensor]:
    return [smoothed.level, smoothed.seasonal_factors, smoothed.future_seasonal_factors]


def assert_same(one: SmoothedWindows, two: SmoothedWindows) -> None:
    for left, right in zip(state(one), state(two), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-12, atol=0)


def start(seasons: tuple[int, ...]) -> tuple[float, list[np.ndarray], list[float]]:
    """A level, factors and rates to start from."""
    random = np.random.default_rng(2)
    return 5.0, [np.exp(random.normal(0, 0.3, m)) for m in seasons], [0.3, 0.2, 0.1]


def smoothed_alone(
    values: np.ndarray, mask: np.ndarray, level: float, factors: list[np.ndarray], rates: list
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """`smooth` on one window, as arrays."""
    found, shape, coming = holt_winters(
        torch.tensor(values)[None],
        torch.tensor(mask)[None],
        torch.tensor([level], dtype=torch.float64),
        [torch.tensor(factor)[None] for factor in factors],
        torch.tensor([rates[: 1 + len(factors)]], dtype=torch.float64),
    )
    return found[0].numpy(), shape[0].numpy(), [factor[0].numpy() for factor in coming]


@pytest.mark.parametrize("steps", [1, 4, 23])
def test_one_season_is_the_textbook_recursion(steps: int) -> None:
    m, (level, (factors,), (a, b, _)) = 4, start((4,))
    y = data()[0][0, :steps].numpy()
    found = smoothed_alone(y, np.full(steps, True), level, [factors], [a, b])
    levels, seasonal = [], list(factors)
    for t in range(steps):
        level = a * y[t] / seasonal[t] + (1 - a) * level
        seasonal.append(b * y[t] / level + (1 - b) * seasonal[t])
        levels.append(level)
    np.testing.assert_allclose(found[0], levels, rtol=1e-12)
    np.testing.assert_allclose(found[1], seasonal[:steps], rtol=1e-12)
    np.testing.assert_allclose(found[2][0], seasonal[-m:], rtol=1e-12)


@pytest.mark.parametrize(("m", "n"), [(4, 10), (10, 4), (4, 8), (5, 5), (4, 60)])
def test_two_seasons_with_gaps_are_the_recursion_by_hand(m: int, n: int) -> None:
    level, (one, two), (a, b, c) = start((m, n))
    y, mask = data()[0][0].numpy(), data()[1][0].numpy()
    found = smoothed_alone(y, mask, level, [one, two], [a, b, c])
    levels, s, u = [], list(one), list(two)
    for t in range(L):
        if mask[t]:
            level = a * y[t] / (s[t] * u[t]) + (1 - a) * level
            s.append(b * y[t] / (level * u[t]) + (1 - b) * s[t])
            u.append(c * y[t] / (level * s[t]) + (1 - c) * u[t])
        else:
            s.append(s[t])
            u.append(u[t])
        levels.append(level)
    np.testing.assert_allclose(found[0], levels, rtol=1e-12)
    np.testing.assert_allclose(found[1], np.multiply(s[:L], u[:L]), rtol=1e-12)
    np.testing.assert_allclose(found[2][0], s[-m:], rtol=1e-12)
    np.testing.assert_allclose(found[2][1], u[-n:], rtol=1e-12)


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.0), (0.0, 0.4), (0.0, 0.0)])
def test_with_a_constant_level_or_constant_seasons_it_equals_statsmodels(
    a: float, b: float
) -> None:
    # statsmodels' seasons read the level of the step before: the same where it does not move
    holtwinters = pytest.importorskip("statsmodels.tsa.holtwinters")
    m, y, (level, (factors,), _) = 4, data()[0][0].numpy(), start((4,))
    twin = holtwinters.ExponentialSmoothing(
        y,
        trend=None,
        seasonal="mul",
        seasonal_periods=m,
        initialization_method="known",
        initial_level=level,
        initial_seasonal=factors,
    ).fit(smoothing_level=a, smoothing_seasonal=b, optimized=False)
    levels, shape, coming = smoothed_alone(y, np.full(L, True), level, [factors], [a, b])
    np.testing.assert_allclose(levels, twin.level, rtol=1e-6)
    np.testing.assert_allclose([*shape[m:], *coming[0]], twin.season, rtol=1e-6)
    before = np.array([level, *levels[:-1]])
    np.testing.assert_allclose(before * shape, twin.fittedvalues, rtol=1e-6)
    # its forecasts go back to the factor of a season earlier at step m: `season` above does not
    ahead = levels[-1] * coming[0][: m - 1]
    np.testing.assert_allclose(ahead, twin.forecast(m - 1), rtol=1e-6)


def test_without_a_season_it_equals_statsmodels() -> None:
    holtwinters = pytest.importorskip("statsmodels.tsa.holtwinters")
    y = data()[0][0].numpy()
    twin = holtwinters.SimpleExpSmoothing(y, "known", initial_level=5.0)
    fitted = twin.fit(smoothing_level=0.3, optimized=False)
    levels, shape, coming = smoothed_alone(y, np.full(L, True), 5.0, [], [0.3])
    np.testing.assert_allclose(levels, fitted.level, rtol=1e-6)
    assert (shape == 1).all()
    assert coming == []


def test_a_window_is_the_recursion_with_its_learned_rates_and_factors() -> None:
    net, (values, _, series, phase) = random_smoothing((4,)), data()
    found = net.smooth(values, torch.full((B, L), True), series, phase, H)
    for i in range(B):
        known = int(series[i]) < COUNT
        own = net.series_rates.weight[series[i]] if known else torch.zeros(2)
        rates = (net.rates + own).double().sigmoid().tolist()
        logs = net.factors[0] + (net.series_factors[0].weight[series[i]] if known else 0)
        logs = (logs - logs.mean()).detach().double().numpy()
        factors = np.exp(np.roll(logs, -int(phase[i])))
        y = values[i].numpy()
        level = (y[:4] / factors).mean()
        level, shape, (coming,) = smoothed_alone(y, np.full(L, True), level, [factors], rates)
        np.testing.assert_allclose(found.level[i].detach(), level, rtol=1e-6)
        np.testing.assert_allclose(found.seasonal_factors[i].detach(), shape, rtol=1e-6)
        np.testing.assert_allclose(
            found.future_seasonal_factors[i].detach(), np.resize(coming, H), rtol=1e-6
        )


def test_without_a_season_the_level_starts_at_the_first_value() -> None:
    values, mask, series, phase = data()
    mask[:, :3] = False
    mask[:, 3] = True
    level = random_smoothing(()).smooth(values, mask, series, phase, H).level
    torch.testing.assert_close(level[:, :4], values[:, 3:4].expand(-1, 4), rtol=1e-12, atol=0)


@every_seasons
def test_masked_values_are_not_read(seasons: tuple[int, ...]) -> None:
    net, (values, mask, series, phase) = random_smoothing(seasons), data()
    for anything in (0.0, -1e9, torch.inf, torch.nan):
        other = torch.where(mask, values, anything)
        assert_same(
            net.smooth(values, mask, series, phase, H),
            net.smooth(other, mask, series, phase, H),
        )


def test_a_masked_step_leaves_level_and_factors_unchanged() -> None:
    net, (values, mask, series, phase) = random_smoothing((4,)), data()
    found = net.smooth(values, mask, series, phase, H)
    masked = ~mask[:, 1:]
    assert torch.equal(found.level[:, 1:][masked], found.level[:, :-1][masked])
    later = torch.cat([found.seasonal_factors[:, 4:], found.future_seasonal_factors[:, :4]], 1)
    assert torch.equal(later[~mask], found.seasonal_factors[~mask])


@every_seasons
def test_masked_padding_in_front_changes_nothing(seasons: tuple[int, ...]) -> None:
    net, (values, mask, series, phase) = random_smoothing(seasons), data()
    found = net.smooth(values, mask, series, phase, H)
    for width in (1, 4, 7):
        padding = torch.full((B, width), 3.0, dtype=values.dtype)
        padded = net.smooth(
            torch.cat([padding, values], 1),
            torch.cat([padding > 99, mask], 1),
            series,
            phase - width,
            H,
        )
        assert_same(
            SmoothedWindows(
                padded.level[:, width:],
                padded.seasonal_factors[:, width:],
                padded.future_seasonal_factors,
            ),
            found,
        )


def test_the_recursion_is_causal() -> None:
    values, mask, _, _ = data()
    level, factors = torch.ones(B).double(), [torch.ones(B, m).double() for m in SEASONS]
    rates = torch.full((B, 3), 0.4, dtype=torch.float64)
    one = holt_winters(values, mask, level, factors, rates)
    for t in (0, 3, 4, 17, L - 1):
        other = values.clone()
        other[:, t] += 5
        two = holt_winters(other, mask, level, factors, rates)
        assert torch.equal(one[0][:, :t], two[0][:, :t])
        assert torch.equal(one[1][:, : t + 1], two[1][:, : t + 1])
        seen = mask[:, t]
        assert not torch.isclose(one[0][seen, t], two[0][seen, t]).any()


def test_levels_after_the_first_season_are_causal() -> None:
    net, (values, mask, series, phase) = random_smoothing(), data()
    other = values.clone()
    other[:, 17:] += 5
    one, two = (net.smooth(y, mask, series, phase, H) for y in (values, other))
    torch.testing.assert_close(one.level[:, :17], two.level[:, :17], rtol=1e-12, atol=0)
    torch.testing.assert_close(
        one.seasonal_factors[:, :18], two.seasonal_factors[:, :18], rtol=1e-12, atol=0
    )


@every_seasons
def test_windows_of_a_batch_are_independent(seasons: tuple[int, ...]) -> None:
    net, batch = random_smoothing(seasons), data()
    whole = net.smooth(*batch, H)
    for i in range(B):
        alone = net.smooth(*(part[i : i + 1] for part in batch), H)
        assert_same(alone, SmoothedWindows(*(part[i : i + 1] for part in state(whole))))


def test_an_unknown_series_has_the_shared_rates_and_factors() -> None:
    net, (values, mask, _, phase) = random_smoothing(), data()
    shared = ExponentialSmoothing(0, SEASONS)
    with torch.no_grad():
        shared.rates.copy_(net.rates)
        for mine, theirs in zip(shared.factors, net.factors, strict=True):
            mine.copy_(theirs)
    expected = shared.smooth(values, mask, torch.zeros(B, dtype=torch.long), phase, H)
    for number in (COUNT, COUNT + 1, 999, -1):
        assert_same(net.smooth(values, mask, torch.full((B,), number), phase, H), expected)
    known = net.smooth(values, mask, torch.zeros(B, dtype=torch.long), phase, H)
    assert not torch.isclose(known.future_seasonal_factors, expected.future_seasonal_factors).any()


def test_the_phase_rotates_the_factors_which_multiply_to_one() -> None:
    net, series = random_smoothing(), torch.zeros(1, dtype=torch.long)
    for k, m in enumerate(SEASONS):
        whole = net.initial_factors(series, torch.tensor([0]), torch.float64)[k]
        torch.testing.assert_close(whole.log().sum(), torch.zeros(()).double())
        for phase in (1, m - 1, m, 3 * m + 2, -1):
            turned = net.initial_factors(series, torch.tensor([phase]), torch.float64)[k]
            assert torch.equal(turned, whole.roll(-phase, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_precision_is_that_of_the_values(dtype: torch.dtype) -> None:
    net, (values, mask, series, phase) = random_smoothing(), data()
    exact = net.smooth(values, mask, series, phase, H)
    for part, expected in zip(
        state(net.smooth(values.to(dtype), mask, series, phase, H)), state(exact), strict=True
    ):
        assert part.dtype == dtype
        torch.testing.assert_close(part, expected.to(dtype), rtol=1e-4, atol=0)


@every_seasons
def test_every_parameter_has_a_gradient_and_the_row_of_unknown_series_has_none(
    seasons: tuple[int, ...],
) -> None:
    net, (values, mask, series, phase) = random_smoothing(seasons), data()
    found = net.smooth(values, mask, series, phase, 60)
    (found.level[:, -1].log().sum() + (found.future_seasonal_factors.log() ** 2).sum()).backward()
    for part in net.parameters():
        assert part.grad is not None
        assert part.grad.isfinite().all()
        assert part.grad.abs().sum() > 0
    for rows in (net.series_rates, *net.series_factors):
        assert (rows.weight.grad[:COUNT].abs().sum(1) > 0).all()
        assert (rows.weight.grad[COUNT] == 0).all()


def test_gradients_are_those_of_finite_differences() -> None:
    values, mask, _, _ = data(13, 2)
    level = torch.tensor([4.0, 6.0], dtype=torch.float64, requires_grad=True)
    factors = [torch.rand(2, m, dtype=torch.float64) + 0.5 for m in (3, 5)]
    rates = torch.tensor([[0.3, 0.2, 0.1], [0.8, 0.6, 0.4]], dtype=torch.float64)

    def flat(level: Tensor, one: Tensor, two: Tensor, rates: Tensor) -> tuple[Tensor, ...]:
        levels, shape, coming = holt_winters(values, mask, level, [one, two], rates)
        return levels, shape, *coming

    for part in (*factors, rates):
        part.requires_grad_()
    assert torch.autograd.gradcheck(flat, (level, *factors, rates))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_the_unit_of_the_values_is_the_unit_of_the_level(dtype: torch.dtype, unit: float) -> None:
    net, (values, mask, series, phase) = random_smoothing(), data()
    plain = net.smooth(values, mask, series, phase, H)
    found = net.smooth((values * unit).to(dtype), mask, series, phase, H)
    close = {"rtol": 1e-4, "atol": 0.0}
    torch.testing.assert_close((found.level / unit).double(), plain.level, **close)
    torch.testing.assert_close(
        found.future_seasonal_factors.double(), plain.future_seasonal_factors, **close
    )
    (found.level[:, -1].log().sum() + found.future_seasonal_factors.log().sum()).backward()
    assert all(part.grad.isfinite().all() for part in net.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rate", [-30.0, 0.0, 30.0])
def test_extreme_values_stay_finite(dtype: torch.dtype, rate: float) -> None:
    net, random = ExponentialSmoothing(1, SEASONS), torch.Generator().manual_seed(3)
    torch.nn.init.constant_(net.rates, rate)
    exponents = torch.rand(50, 400, generator=random, dtype=torch.float64) * 60 - 30
    values = (10**exponents).to(dtype)
    zeros = torch.arange(50)
    values[:5] = 0.0  # outside the domain
    found = net.smooth(values, torch.full(values.shape, True), zeros, zeros, H)
    ratio = values / found.seasonal_factors / found.level[:, -1:]
    for part in (*state(found), ratio):
        assert part.isfinite().all()
    assert all((part > 0).all() for part in state(found))


def test_with_an_empty_mask_the_last_value_is_the_level() -> None:
    net, (values, _, series, phase) = random_smoothing(), data()
    masked = torch.zeros(B, L, dtype=torch.bool)
    found = net.smooth(values, masked, series, phase, H)
    torch.testing.assert_close(found.level, values[:, -1:].expand(-1, L))
    assert (net.smooth(values * torch.nan, masked, series, phase, H).level == 1).all()


def seasonal_windows(
    patterns: Tensor, steps: int, windows: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Windows of series that repeat `patterns [series, m]` on a level of their own."""
    count, m = patterns.shape
    series = torch.arange(windows) % count
    phase = torch.arange(windows) // count
    place = (phase[:, None] + torch.arange(steps)) % m
    values = patterns[series[:, None], place] * (series[:, None] + 1) * 100
    return values, torch.ones(windows, steps, dtype=torch.bool), series, phase


def rising(count: int, m: int) -> Tensor:
    random = torch.Generator().manual_seed(4)
    logs = torch.randn(count, m, generator=random, dtype=torch.float64) * 0.3
    return (logs - logs.mean(1, keepdim=True)).exp()


@pytest.mark.parametrize("m", [4, 7])
def test_factors_from_data_are_the_pattern_each_series_repeats(m: int) -> None:
    net, patterns = ExponentialSmoothing(3, (m,)), rising(3, m)
    net.initialize_factors(*seasonal_windows(patterns, 6 * m, 900))
    each = torch.arange(3)
    found = net.initial_factors(each, torch.zeros_like(each), torch.float64)[0]
    torch.testing.assert_close(found, patterns, rtol=2e-3, atol=0)
    for part in (net.series_rates, *net.series_factors):
        assert (part.weight[3] == 0).all()


def test_factors_from_data_are_those_of_statsmodels() -> None:
    seasonal = pytest.importorskip("statsmodels.tsa.seasonal")
    m, random = 6, np.random.default_rng(5)
    y = 50 * np.exp(np.sin(np.arange(3000) * np.pi / 3) * 0.4 + random.normal(0, 0.1, 3000))
    twin = seasonal.seasonal_decompose(y, model="multiplicative", period=m).seasonal[:m]
    net, zero = ExponentialSmoothing(1, (m,)), torch.zeros(1, dtype=torch.long)
    net.initialize_factors(torch.tensor(y)[None], torch.ones(1, 3000, dtype=torch.bool), zero, zero)
    found = net.initial_factors(zero, zero, torch.float64)[0][0].detach().numpy()
    np.testing.assert_allclose(found, twin / np.exp(np.log(twin).mean()), rtol=2e-3)


def test_a_second_season_is_estimated_on_values_without_the_first() -> None:
    net, short, long = ExponentialSmoothing(1, (4, 12)), rising(1, 4), rising(1, 12)
    # a pattern of 12 steps with nothing in it that repeats after 4
    inner = long.log().view(3, 4)
    long = (inner - inner.mean(0)).exp().view(1, 12)
    values, mask, series, phase = seasonal_windows(short.repeat(1, 3) * long, 60, 500)
    net.initialize_factors(values, mask, series, phase)
    product = net.initial_factors(series[:1], phase[:1], torch.float64)
    whole = product[0].repeat(1, 3) * product[1]
    torch.testing.assert_close(whole, short.repeat(1, 3) * long, rtol=5e-3, atol=0)
    assert product[1].log().view(3, 4).mean(0).abs().max() < 0.1


def test_gaps_and_padding_leave_the_factors_from_data_near_the_pattern() -> None:
    net, patterns = ExponentialSmoothing(2, (5,)), rising(1, 5).expand(2, -1)
    values, mask, series, phase = seasonal_windows(patterns, 40, 800)
    mask &= torch.rand(mask.shape, generator=torch.Generator().manual_seed(6)) < 0.95
    mask[:, :3] = False
    net.initialize_factors(torch.where(mask, values, torch.nan), mask, series, phase)
    found = net.initial_factors(series[:2], phase[:2] * 0, torch.float64)[0]
    torch.testing.assert_close(found, patterns, rtol=0.03, atol=0)


def test_factors_of_a_short_series_are_shrunk_to_those_of_all() -> None:
    net, patterns = ExponentialSmoothing(3, (4,)), rising(2, 4)
    values, mask, series, phase = seasonal_windows(patterns[:1], 40, 200)
    series = torch.where(torch.arange(200) < 199, 0, 1)
    mask[199, 5:] = False  # one ratio is known of series 1, none of series 2
    values[199, 2] *= 50
    net.initialize_factors(values, mask, series, phase)
    each = torch.arange(4)
    found = net.initial_factors(each, torch.zeros_like(each), torch.float64)[0]
    torch.testing.assert_close(found[2], found[3])
    torch.testing.assert_close(found[2], patterns[0], rtol=0.02, atol=0)
    # fifty times too much on its only observation, and still within a factor of three
    assert ((found[1] / patterns[0]).log().abs() < np.log(3)).all()


def test_constant_data_and_windows_shorter_than_a_season_give_factors_of_1() -> None:
    flat = torch.full((5, 30), 7.0), torch.ones(5, 30, dtype=torch.bool)
    short, zeros = data(8, 5), torch.zeros(5, dtype=torch.long)
    for values, mask in (flat, short[:2]):
        net = ExponentialSmoothing(2, (9,))
        net.initialize_factors(values, mask, zeros, zeros)
        for part in (*net.factors, net.series_factors[0].weight):
            torch.testing.assert_close(part, torch.zeros_like(part), rtol=0, atol=1e-6)


def test_with_true_factors_and_a_constant_level_the_forecast_is_exact() -> None:
    net, patterns = ExponentialSmoothing(2, (4,)), rising(2, 4)
    with torch.no_grad():
        net.series_factors[0].weight[:2] = patterns.log()
    values, mask, series, phase = seasonal_windows(patterns, L + H, 20)
    found = net.smooth(values[:, :L], mask[:, :L], series, phase, H)
    expected = (100.0 * (series[:, None] + 1)).double().expand(-1, L)
    torch.testing.assert_close(found.level, expected, rtol=1e-6, atol=0)
    ahead = found.level[:, -1:] * found.future_seasonal_factors
    torch.testing.assert_close(ahead, values[:, L:], rtol=1e-6, atol=0)
