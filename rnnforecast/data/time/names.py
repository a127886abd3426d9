"""Names of months and weekdays in eight languages, full and abbreviated."""

from __future__ import annotations

_MONTHS = (
    "january jan januar janv janvier januari enero ene gennaio gen janeiro jänner jän jaenner",
    "february feb februar févr fevr fév fev février fevrier februari febrero febbraio fevereiro",
    "march mar märz maerz mär mrz mars marzo março marco maart mrt marts",
    "april apr avril avr abril abr aprile",
    "may mai mayo maggio mag maio mei maj",
    "june jun juni juin junio giugno giu junho",
    "july jul juli juillet juil julio luglio lug julho",
    "august aug août aout aoû agosto ago augustus augusti",
    "september sep sept septembre septiembre setiembre settembre set setembro",
    "october oct oktober okt octobre octubre ottobre ott outubro out",
    "november nov novembre noviembre novembro",
    "december dec dezember dez décembre decembre déc diciembre dic dicembre dezembro desember des",
)
_WEEKDAYS = (
    "monday mon montag mo lundi lun lunes lunedì lunedi maandag ma segunda",
    "tuesday tue tues dienstag di mardi mar martes martedì martedi dinsdag terça",
    "wednesday wed weds mittwoch mi mercredi mer miércoles miercoles mié mercoledì woensdag wo",
    "thursday thu thur thurs donnerstag do jeudi jeu jueves jue giovedì giovedi gio donderdag",
    "friday fri freitag fr vendredi ven viernes vie venerdì venerdi vrijdag vr sexta",
    "saturday sat samstag sonnabend sa samedi sam sábado sabado sáb sabato sab zaterdag za",
    "sunday sun sonntag so dimanche dim domingo dom domenica zondag zo",
)


def _numbered(rows: tuple[str, ...]) -> dict[str, int]:
    return {name: number for number, row in enumerate(rows, 1) for name in row.split()}


MONTH_NUMBERS = _numbered(_MONTHS)
"""Name of a month in lower case, without a point -> its number, January 1."""
WEEKDAY_NUMBERS = _numbered(_WEEKDAYS)
"""Name of a weekday in lower case, without a point -> its number, Monday 1."""
