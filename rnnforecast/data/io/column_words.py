"""Words in column names that tell what a column holds."""

from __future__ import annotations

import re
from collections.abc import Collection

PLAIN_TARGET_NAMES = ("y", "target", "value", "values", "wert", "valor", "valeur")
"""Names that say "forecast this column"."""

TARGET_NAMES = (
    *PLAIN_TARGET_NAMES,
    *("sales", "demand", "quantity", "qty", "units", "sold", "load", "consumption", "count", "cnt"),
    *("revenue", "turnover", "amount", "orders", "visitors", "visits", "passengers", "trips"),
    *(
        "rides",
        "bookings",
        "calls",
        "clicks",
        "views",
        "sessions",
        "users",
        "traffic",
        "production",
    ),
    *("generation", "energy", "power", "price", "close", "volume"),
    *("umsatz", "absatz", "menge", "anzahl", "verbrauch", "besucher", "preis"),
    *("ventes", "ventas", "vendas", "cantidad", "importe"),
)
"""Words for what is usually forecast, in order of preference."""

OPENING_PRICE_NAMES = {"open", "high", "low"}
CLOSING_PRICE_NAMES = ("close", "close/last", "last", "closing", "adj", "price")
TRADED_NAMES = {"ticker", "symbol", "stock", "isin", "coin", "asset", "instrument", "security"}
"""Words for ids of what is traded: its price is forecast before its volume."""

TRADED_VOLUME_WORDS = {"volume", "vol"}
"""Words for the volume of what is traded, or of what is sold."""

COVARIATE_WORDS = {
    *("temp", "temperature", "tmin", "tmax", "tavg", "humidity", "dewpoint", "precipitation"),
    *("promo", "promotion", "promotions", "onpromotion", "markdown", "discount", "weekend"),
    *("holiday", "holidays", "feiertag", "temperatur", "aktion"),
    *("plan", "planned", "scheduled", "geplant"),
}
"""Words for what is measured or planned beside a target."""

POSSIBLE_COVARIATE_WORDS = {
    *("price", "preis", "wind", "rain", "rainfall", "snow", "snowfall", "pressure", "radiation"),
    *("cloud", "clouds", "cpi", "unemployment", "fuel", "cost", "budget", "spend", "index"),
}
"""Words for what can be a target or a covariate."""

FLAG_WORDS = {
    *("is", "has", "flag", "holiday", "promo", "promotion", "onpromotion", "weekend", "event"),
    *("workingday", "weekday", "open", "closed", "active", "feiertag", "aktion"),
}
"""Words in names of columns of 0 and 1 that say whether something holds."""

CALENDAR_RANGES = {
    **dict.fromkeys(("year", "yr", "jahr", "annee", "ano"), (0, 2200)),
    **dict.fromkeys(("month", "mnth", "monat", "mois", "mes", "mm"), (1, 12)),
    **dict.fromkeys(("quarter", "qtr", "quartal", "trimestre"), (1, 4)),
    **dict.fromkeys(("week", "weekofyear", "weeknum", "weekno", "kw", "woche"), (0, 53)),
    **dict.fromkeys(("weekday", "dayofweek", "dow", "wday", "wochentag"), (0, 7)),
    **dict.fromkeys(("dayofyear", "doy", "yearday", "yday"), (0, 366)),
    **dict.fromkeys(("day", "dayofmonth", "dom", "mday", "tag", "jour", "dia"), (0, 366)),
    **dict.fromkeys(("hour", "hr", "stunde", "heure", "hora", "hh"), (0, 24)),
    **dict.fromkeys(("minute", "second", "minuten", "sekunde"), (0, 60)),
    **dict.fromkeys(("season", "saison"), (0, 4)),
}
"""The smallest and the largest value of columns that repeat a part of the time, by name."""

CALENDAR_PREFIXES = {"iso", "fiscal", "calendar", "the"}
"""Words that may come before the name of a part of the time."""

PLACE_WORDS = {
    *("lat", "latitude", "lon", "lng", "long", "longitude", "breitengrad", "laengengrad"),
    *("postcode", "postal", "zip", "zipcode", "plz", "fips", "phone", "telephone", "telefon"),
}
"""Words for coordinates, postcodes and the like, which do not measure anything."""

ID_WORDS = {
    *("id", "uid", "key", "code", "nbr", "number", "name", "series", "group", "category"),
    *("store", "shop", "item", "product", "sku", "article", "brand", "family", "dept"),
    *("department", "sensor", "station", "meter", "device", "machine", "line", "plant", "site"),
    *("location", "zone", "region", "country", "state", "city", "route", "channel", "household"),
    *("customer", "client", "symbol", "ticker", "variable", "metric", "warehouse", "branch"),
    *("filiale", "artikel", "laden", "markt", "kunde", "land", "stadt", "part", "material"),
    *("artikelnummer", "artikelnr", "materialnummer", "teilenummer", "kundennummer"),
}
"""Words that end the names of ids."""

NUMBER_WORDS = {"no", "nr", "num", "nummer"}
"""Words that end the names of ids after another word, such as part_no: alone they can be a count,
or what is measured."""

THING_WORDS = {
    *("store", "shop", "item", "product", "sku", "article", "sensor", "station", "meter", "device"),
    *("machine", "plant", "site", "location", "country", "city", "customer", "household", "symbol"),
    *("ticker", "warehouse", "branch", "filiale", "artikel", "kunde", "stadt", "region"),
}
"""Those of `ID_WORDS` that name things with a series each."""

CODE_WORDS = {"id", "uid", "uuid", "key", "code", "nbr", "sku", "ean", "isbn", "ticker", "symbol"}
"""Words that end the names of ids even where these are numbers."""

SERIES_NAMES = {"unique_id", "series_id", "series", "item_id", "ts_id", "time_series_id", "key"}
"""Names of columns that tell series apart."""

ROW_NUMBER_NAMES = {
    *("id", "_id", "index", "idx", "row", "rowid", "row_id", "row_no", "rownum", "row_number"),
    *(
        "rownumber",
        "no",
        "no.",
        "nr",
        "nr.",
        "num",
        "n",
        "#",
        "record",
        "record_id",
        "recno",
        "obs",
    ),
    *(
        "observation",
        "seq",
        "sequence",
        "sno",
        "s.no",
        "s.no.",
        "lfd",
        "lfd_nr",
        "zeile",
        "x",
        "x1",
    ),
    *("unnamed: 0", "unnamed", "...1", "rn", "instant"),
}
"""Names of columns that count the rows."""


def split_name(column: str) -> list[str]:
    """The words of a name in lower case: item and id for itemId, item_id and "item id"."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column)
    return re.findall(r"[^\W_]+", spaced.lower()) or [""]


def has_word(column: str, words: Collection[str]) -> bool:
    """Whether the name, or one of its words, is among `words`."""
    return column.lower() in words or any(word in words for word in split_name(column))


def is_named_like_id(column: str) -> bool:
    """Whether the name, or its last word, is that of an id."""
    words = split_name(column)
    is_number = len(words) > 1 and words[-1] in NUMBER_WORDS
    return column.lower() in SERIES_NAMES or words[-1] in ID_WORDS or is_number
