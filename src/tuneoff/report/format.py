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
    return f"{seconds / 60:.2f} min" if seconds < 600 else f"{seconds / 60:.1f} min"


def short_time(seconds: float | None) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds is None:
        return NOTHING
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def count(value: int | None) -> str:
    """Thousands separated."""
    return NOTHING if value is None else f"{value:,}"


def percent(value: float | None) -> str:
    """Two significant digits below 10."""
    if value is None:
        return NOTHING
    return f"{value:.1f} %" if value >= 10 else f"{value:.2g} %"


def score(value: Interval | None) -> str:
    """Mean and interval, three decimals."""
    return NOTHING if value is None else f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"


def points(value: Interval) -> str:
    """A difference in points with its interval, signs shown."""
    return f"{100 * value.mean:+.1f} [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"
