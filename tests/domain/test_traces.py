"""Traces: of which user agents a session is told apart, and which of them are the same app after an update."""

from dataclasses import replace
from itertools import combinations

import pytest

from tests.domain.samples import HANDLE
from tokensvc.domain.policy import BindingPolicy
from tokensvc.domain.session import ClientContext
from tokensvc.domain.traces import Place, user_agent_family

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS {} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"

# Before and after an update of the app, of the browser, of the system.
UPDATES = {
    "firefox": (
        "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0",
        "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    ),
    "firefox on windows": (
        "Mozilla/5.0 (Windows NT 6.1; Win64; x64; rv:109.0) Gecko/20100101 Firefox/115.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
    ),
    "chrome": (
        f"{_WINDOWS} {_WEBKIT} Chrome/120.0.0.0 Safari/537.36",
        f"{_WINDOWS} {_WEBKIT} Chrome/121.0.6167.85 Safari/537.36",
    ),
    "chrome on a mac": (
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Chrome/120.0.0.0 Safari/537.36",
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_2_1) {_WEBKIT} Chrome/121.0.0.0 Safari/537.36",
    ),
    "chrome on android, which has come to hide the model": (
        f"Mozilla/5.0 (Linux; Android 13; Pixel 7) {_WEBKIT} Chrome/109.0.5414.85 Mobile Safari/537.36",
        f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Chrome/124.0.0.0 Mobile Safari/537.36",
    ),
    "a web view on a phone with parentheses in its name": (
        f"Mozilla/5.0 (Linux; Android 9; moto g(7) Build/PPO29.114; wv) {_WEBKIT} Version/4.0 Chrome/88.0.4324.181",
        f"Mozilla/5.0 (Linux; Android 10; moto g(7) Build/QPOS30.52; wv) {_WEBKIT} Version/4.0 Chrome/120.0.6099.230",
    ),
    "safari": (
        f"{_IPHONE.format('16_6')} Version/16.6 Mobile/15E148 Safari/604.1",
        f"{_IPHONE.format('17_4_1')} Version/17.4.1 Mobile/15E148 Safari/604.1",
    ),
    "edge": (
        f"{_WINDOWS} {_WEBKIT} Chrome/120.0.0.0 Safari/537.36 Edg/120.0.2210.91",
        f"{_WINDOWS} {_WEBKIT} Chrome/121.0.0.0 Safari/537.36 Edg/121.0.2277.83",
    ),
    "dalvik": (
        "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 7 Build/UQ1A.240205.004)",
        "Dalvik/2.1.0 (Linux; U; Android 15; Pixel 7 Build/AP3A.241005.015)",
    ),
    "okhttp": ("okhttp/4.12.0", "okhttp/5.0.0-alpha.12"),
    "an app on okhttp": ("Shop/3.4.0-rc1 okhttp/4.12.0", "Shop/3.4.0 okhttp/4.12.0"),
    "an app with its build": ("Shop 3.4.0 (build 1201)", "Shop v3.5.0-beta.2+451 (build 1310)"),
    "an app whose name has its version": ("shop-android-3.4.0", "shop-android-3.10"),
    "cfnetwork": ("Shop/342 CFNetwork/1410.0.3 Darwin/22.6.0", "Shop/351 CFNetwork/1494.0.7 Darwin/23.4.0"),
    "alamofire": (
        "Shop/3.1 (com.example.shop; build:342; iOS 16.6.0) Alamofire/5.6.4",
        "Shop/3.2 (com.example.shop; build:351; iOS 17.4.1) Alamofire/5.8.1",
    ),
    "an app on an ipad": ("Shop/3.1 (iPad; iOS 16.6; Scale/2.00)", "Shop/3.2 (iPad; iOS 17.4; Scale/2.00)"),
    "a name that begins with a digit": ("1Password/8.10.24", "1Password/8.10.26"),
    "another such name": ("9gag/7.1", "9gag/7.2"),
    "a name of a number and a word": ("7-eleven/4.1", "7-eleven/4.2"),
    "a name in another script": ("商店/3.1", "商店/3.2"),
    "dart": ("Dart/3.2 (dart:io)", "Dart/3.3 (dart:io)"),
    "a library": ("python-requests/2.31.0", "python-requests/2.32.0"),
    "no version": ("curl", "curl"),
}
by_app = pytest.mark.parametrize("app", list(UPDATES))


def is_same(login: str, later: str) -> bool:
    """Whether a session that began with the one user agent takes the other for its own."""
    traces = Place(HANDLE, ClientContext(user_agent=login)).traces(BindingPolicy())
    return Place(HANDLE, ClientContext(user_agent=later)).is_user_agent_of(traces)


@by_app
def test_an_update_changes_no_family(app: str) -> None:
    """Neither one of the app nor one of the system below it."""
    before, after = UPDATES[app]
    assert is_same(before, after)
    assert is_same(after, before)


def test_other_apps_are_other_families() -> None:
    """Of all these apps no two are taken for each other."""
    for (one, _), (_, other) in combinations(UPDATES.values(), 2):
        assert not is_same(one, other)


@by_app
def test_no_user_agent_is_that_of_an_app(app: str) -> None:
    """Whatever was there at the login, one that is missing differs."""
    assert not is_same(UPDATES[app][0], "")


@pytest.mark.parametrize("text", ["8.10", "(15E148)", "/1.0", " "])
def test_a_user_agent_without_a_name_is_not_a_missing_one(text: str) -> None:
    """There may be nothing in it that counts, but something there is."""
    assert not is_same(text, "")
    assert is_same(text, text)


@pytest.mark.parametrize("text", ["1_" * 500, "1" * 1000, "-1" * 499 + "a", "(" * 1000, "(a" * 500, "((" + "a" * 998])
def test_no_header_takes_long_to_read(text: str) -> None:
    """Whatever somebody makes up for it."""
    assert is_same(text, text)


@pytest.mark.parametrize(
    ("text", "family"),
    [
        (UPDATES["firefox"][0], "Mozilla Gecko Firefox Linux"),
        (UPDATES["safari"][0], "Mozilla AppleWebKit Version Mobile Safari iPhone"),
        (UPDATES["dalvik"][0], "Dalvik Linux Android"),
        ("Shop/3.1 (Android 15", "Shop Android"),
        ("1Password 8.10.24 build:81024", "1Password build"),
        ("((((", ""),
        ("", ""),
    ],
)
def test_a_family_is_products_and_systems(text: str, family: str) -> None:
    """In their order, and without anything else; a comment that was cut off is one all the same."""
    assert user_agent_family(text) == family


def test_a_missing_address_is_not_that_of_a_login() -> None:
    """The same holds for the network."""
    home = Place(HANDLE, ClientContext(ip="192.0.2.7"))
    assert not replace(home, context=ClientContext()).is_ip_of(home.traces(BindingPolicy()))
