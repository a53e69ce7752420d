"""Stories of several users on the bench: kept beside the one who is watched, in this session and the next."""

from itertools import pairwise

from engine.home import Home
from engine.session import Session
from tests.workbench.driving import listen, opened, until

WIDE = (160, 45)


async def test_kept_users_stand_beside_the_watched_one_in_a_wide_bench(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await driver.press("P", "n")
        await until(lambda: driver.screen.view.watched == ("1", "2"))
        await driver.ranked()
        await driver.press("3", "z")
        text = "\n".join(driver.pane("bench"))
        assert "users 1 and 2" in text
        assert "Film 8" in text
        assert set(driver.screen.view.rankings) >= {"1", "2"}


async def test_four_lists_can_be_read_side_by_side(demo: Home) -> None:
    with Session.open(demo, "demo-mf", "demo-mf") as session:
        for user in ("1", "2", "3"):
            session.append("bookmark", kind="user", id=user, on=True)
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await driver.press("p", "4", "enter")
        await until(lambda: driver.screen.view.watched == ("1", "2", "3", "4"))
        await driver.ranked()
        await until(lambda: len(driver.screen.view.rankings) == 4)
        await driver.settled()
        head = next(row for row in driver.pane("bench") if row.count("film") == 4)
        starts = [at for at in range(len(head)) if head.startswith("film", at)]
        assert min(later - one for one, later in pairwise(starts)) - len("  now     ") >= 20
        assert not driver.screen.pane("inspector").display


async def test_at_80_columns_one_list_is_shown_and_the_others_are_named(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("P", "n", "3")
        await until(lambda: driver.screen.view.watched == ("1", "2"))
        await driver.ranked()
        assert "also watched: 1" in "\n".join(driver.pane("bench"))


async def test_at_most_four_users_are_watched_together(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        for number in range(1, 4):
            await driver.press("P", "n")
            await until(lambda number=number: driver.screen.view.user == str(number + 1))  # type: ignore[misc]
        await driver.ranked()
        assert driver.screen.view.watched == ("1", "2", "3", "4")
        await driver.press("P")
        assert "At most 3 users stay" in driver.screen.status.message
        await driver.press("N")
        await until(lambda: driver.screen.view.user == "3")
        await driver.press("P")
        assert driver.screen.view.watched == ("1", "2", "3")
        await driver.press("n")
        await until(lambda: driver.screen.view.watched == ("1", "2", "4"))


async def test_kept_users_are_there_again_next_time(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("P", "n")
        await until(lambda: driver.screen.view.watched == ("1", "2"))
    async with opened(demo) as driver:
        await driver.ready()
        await until(lambda: driver.screen.view.watched == ("1", "2") and "1" in driver.screen.view.rankings)


async def test_a_read_only_session_shows_the_watched_user_beside_those_that_stay(demo: Home) -> None:
    with Session.open(demo, "demo-mf", "demo-mf") as first:
        first.append("bookmark", kind="user", id="5", on=True)
        async with opened(demo, size=WIDE) as driver:
            await driver.ready()
            await driver.press("n")
            await until(lambda: driver.screen.view.user == "2")
            await driver.ranked()
            assert driver.screen.view.watched == ("5", "2")
            await driver.press("v")
            await until(lambda: driver.screen.view.curve is not None and driver.screen.view.curve.facts)
            await driver.press("P")
            assert "read-only" in driver.screen.status.message


async def test_a_user_who_is_gone_does_not_stop_the_others(demo: Home) -> None:
    with Session.open(demo, "demo-mf", "demo-mf") as first:
        first.append("bookmark", kind="user", id="gone", on=True)
        first.append("bookmark", kind="user", id="5", on=True)
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await until(lambda: "5" in driver.screen.view.rankings)
        asked = listen(driver)
        await driver.press("j", "k")
        assert [method for method, _ in asked] == []
