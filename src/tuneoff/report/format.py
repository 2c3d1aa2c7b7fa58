"""Numbers as people read them; a dash where nothing was measured."""

from tuneoff.analyse import Interval

NOTHING = "–"


def size(value: int | None) -> str:
    """Bytes in decimal units, three digits."""
    if value is None:
        return NOTHING
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= 0.9995 * step:  # 999.7 kB reads 1 MB: three digits would make it 1e+03 kB.
            return f"{value / step:.3g} {unit}" if value < 999.5 * step else f"{value / step:.0f} {unit}"
    return f"{value} B"


def minutes(seconds: float | None) -> str:
    """Seconds as the brief's minutes."""
    if seconds is None:
        return NOTHING
    if 0 < seconds < 0.3:
        return "< 0.01 min"
    return f"{seconds / 60:.2f} min" if seconds < 600 else f"{seconds / 60:.1f} min"


def short_time(seconds: float | None) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds is None:
        return NOTHING
    if 0 < seconds < 0.05:
        return "< 0.1 s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def gigabytes(value: int | None) -> str:
    """Bytes as the brief's GB, three digits."""
    return NOTHING if value is None else f"{value / 1e9:.3g} GB" if value >= 1e6 else "< 0.001 GB"


def count(value: int | None) -> str:
    """Thousands separated."""
    return NOTHING if value is None else f"{value:,}"


def percent(value: float | None) -> str:
    """Two significant digits below 10; nothing behind the point of a whole number."""
    if value is None:
        return NOTHING
    text = f"{value:.1f}".removesuffix(".0") if value >= 9.95 else f"{value:.2g}" if value >= 0.0001 or not value else f"{value:.5f}"
    return f"{text} %"


def score(value: Interval | None) -> str:
    """Mean and interval, three decimals."""
    return NOTHING if value is None else f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"


def points(value: Interval) -> str:
    """A difference in points with its interval, signs shown."""
    # Adding zero takes the sign off a zero.
    mean, low, high = (round(100 * part, 1) + 0.0 for part in (value.mean, value.low, value.high))
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def latency(seconds: float | None) -> str:
    """Seconds of one answer, in milli- and microseconds where they are few."""
    if seconds is None:
        return NOTHING
    if seconds < 0.00009995:
        return f"{1e6 * seconds:.3g} µs"
    return f"{seconds:.3g} s" if seconds >= 0.9995 else f"{1000 * seconds:.3g} ms"


def p_value(value: float | None) -> str:
    """Three decimals; a dash where none can be given."""
    if value is None:
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def ratio(value: float) -> str:
    """How many times a limit, never the limit itself: what exceeds it by little reads 1.01."""
    return f"{max(value, 1.01):.2f}" if value < 10 else f"{value:.0f}"


def energy(joules: float | None) -> str:
    """Joules, or thousands of them, three digits."""
    if joules is None:
        return NOTHING
    for unit, step in (("MJ", 1e6), ("kJ", 1e3)):
        if joules >= 0.9995 * step:
            return f"{joules / step:.3g} {unit}" if joules < 999.5 * step else f"{joules / step:.0f} {unit}"
    return f"{joules:.3g} J"


def money(amount: float | None, currency: str) -> str:
    """An amount with its currency: cents where they matter, more digits where it is less than one."""
    if amount is None:
        return NOTHING
    if 0 < amount < 0.00005:
        return f"< 0.0001 {currency}"
    if amount >= 1 or not amount:
        return f"{amount:,.{0 if amount >= 100 or not amount else 2}f} {currency}"
    text = f"{amount:.4f}".rstrip("0")
    return f"{text if len(text) > 3 else f'{amount:.2f}'} {currency}"


def off(value: float | None) -> str:
    """By how many per cent a forecast is off, sign shown."""
    return NOTHING if value is None else f"{round(value, 1) + 0.0:+.1f} %" if round(value, 1) else "0 %"


def span(low: float, high: float) -> str:
    """A range of times; one time where both ends read alike."""
    first, last = short_time(low), short_time(high)
    return first if first == last else f"{first} – {last}"


def limited(limit: str, value: float | None) -> str:
    """A reading in the unit of the limit that it is held against: ``memory``, ``seconds``, ``artefact`` or ``latency``."""
    if value is None:
        return NOTHING
    if limit in ("memory", "artefact"):
        return size(round(value))
    return short_time(value) if limit == "seconds" else latency(value)


def rate(value: float | None) -> str:
    """A learning rate."""
    return NOTHING if value is None else f"{value:.2g}"
