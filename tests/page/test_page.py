"""The page in a real browser: what a visitor does and sees."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from light_models import COLOURS, picture_of  # type: ignore[import-not-found]
from PIL import ExifTags, Image
from playwright.sync_api import Route, expect
from security.key_making import bearer  # type: ignore[import-not-found]
from visits import Visit, Visits  # type: ignore[import-not-found]

from service.api.problems import problem_response
from service.errors import (
    FieldProblem,
    Forbidden,
    ImageTruncated,
    InvalidFields,
    NotReady,
    Overloaded,
    ServiceError,
)
from service.recognition.boxes import Box, outward_pixels
from service.recognition.views import foreground

pytestmark = pytest.mark.thorough

CLASSES = "red, green, blue"


def batches(api: httpx.Client) -> dict[str, int]:
    """How many batches each model has computed."""
    workers = api.get("/healthz").json()["workers"]
    return {name: workers[name]["batches"] for name in ("localizer", "encoder")}


def test_a_picture_and_names_give_an_answer_with_box_crop_and_bars_in_three_actions(visit: Visit) -> None:
    visit.give("green", salt=1)
    expect(visit.at("#names")).to_be_focused()
    visit.page.keyboard.type(CLASSES)
    visit.page.keyboard.press("Enter")
    visit.answered("green")
    expect(visit.at("#boxes .box:not(.casing)")).to_have_count(1)
    expect(visit.at("#box-words")).to_have_text(
        "Box 32 \N{MULTIPLICATION SIGN} 32 of 64 \N{MULTIPLICATION SIGN} 64, score 0.80"
    )
    expect(visit.at("#reason")).to_have_text(re.compile(r"^(full|fg) is surer: [\d.]+ against [\d.]+ of (full|fg)\.$"))
    heads = visit.at("#bars thead th")
    assert [" ".join(text.split()) for text in heads.all_inner_texts()] == [
        "Answer max_confidence", "Full picture full decides", "Crop fg"
    ]  # fmt: skip
    expect(visit.at("#bars thead canvas")).to_have_count(2)
    assert visit.at("#bars tbody th").all_inner_texts()[0] == "green"
    parts = [float(part) for part in visit.at(".fill").evaluate_all("bars => bars.map((bar) => bar.dataset.part)")]
    assert len(parts) == 9
    assert all(abs(sum(parts[column::3]) - 1) < 1e-3 for column in range(3))
    shown = visit.at(".fill").evaluate_all(
        "bars => bars.map((bar) => bar.getBoundingClientRect().width / bar.parentElement.getBoundingClientRect().width)"
    )
    assert all(abs(bar - part) < 0.02 for bar, part in zip(shown, parts, strict=True))
    expect(visit.at("#timings")).to_have_text(re.compile(r"in all · .*locate .*embed "))
    expect(visit.at("#models")).to_have_text("faulty + colours")
    expect(visit.at("#cached")).to_be_hidden()
    expect(visit.at("#said")).to_have_text(re.compile("^Answer: green, "))
    expect(visit.at("#fallback")).to_be_hidden()


def test_one_click_on_a_sample_is_enough(visit: Visit) -> None:
    visit.at(".sample").first.click()
    expect(visit.at("#answer")).to_be_visible()
    assert visit.at("#names").input_value().count(",") >= 2
    expect(visit.at("#picture")).not_to_have_attribute("alt", "The picture to recognize")
    own = "red, blue, something else"
    visit.page.fill("#names", own)
    visit.at(".sample").nth(1).click()
    expect(visit.at("#picture-name")).to_have_text(re.compile(r"\.jpg$"))
    expect(visit.at("#answer")).to_have_attribute("aria-busy", "false")
    assert visit.at("#names").input_value() == own, "a visitor's own names stay"


def test_one_class_alone_is_told_to_be_no_question(visit: Visit) -> None:
    visit.page.fill("#names", "green")
    expect(visit.at("#names-count")).to_have_text(
        "1 class. Alone it is every picture's answer: name what else it may be."
    )
    visit.page.fill("#names", "green, red")
    expect(visit.at("#names-count")).to_have_text("2 classes.")


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_picture_may_be_pasted_or_dropped(visit: Visit, way: str) -> None:
    visit.page.fill("#names", CLASSES)
    visit.page.evaluate(
        """([way, bytes]) => {
          const carried = new DataTransfer();
          carried.items.add(new File([new Uint8Array(bytes)], "blue.png", { type: "image/png" }));
          const event = way === "paste" ? new ClipboardEvent("paste", { clipboardData: carried, bubbles: true })
            : new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true });
          document.body.dispatchEvent(event);
        }""",
        [way, list(picture_of(COLOURS["blue"], 2))],
    )
    visit.answered("blue")


def test_another_fusion_is_answered_from_memory_without_a_model(visit: Visit, api: httpx.Client) -> None:
    visit.ask("red", salt=3)
    before = batches(api)
    visit.page.select_option("#fusion", "average")
    expect(visit.at("#reason")).to_have_text(re.compile("^mean probability of full, fg; "))
    expect(visit.at("#cached")).to_be_visible()
    expect(visit.at("#bars thead th").first).to_contain_text("average")
    expect(visit.at("#said")).to_have_text(re.compile("From memory"))
    assert batches(api) == before
    visit.at("#reset").click()
    expect(visit.at("#reason")).to_have_text(re.compile("is surer"))
    assert batches(api) == before
    expect(visit.at("#reset")).to_be_hidden()


RECORDING = """
  window.asked = [];
  const real = window.fetch;
  window.fetch = (address, request) => {
    const form = request?.body instanceof FormData ? [...request.body] : [["image"]];
    window.asked.push(Object.fromEntries(form.filter(([name]) => name !== "image")));
    return real(address, request);
  };
"""


def test_threshold_margin_and_prompt_change_what_is_asked(visits: Visits) -> None:
    visit = visits.new(scripts=[RECORDING])
    visit.ask("red", salt=4)
    visit.page.fill("#threshold", "0.5")
    visit.page.fill("#margin", "0.25")
    visit.page.fill("#prompt", "fox")
    expect(visit.at("#boxes .widened:not(.casing)")).to_have_count(1)
    visit.answered("red")
    expect(visit.at("#margin-value")).to_have_text("25 %")
    names = {"classes": '["red","green","blue"]'}
    asked = {"box_threshold": "0.5", "box_margin": "0.25", "localizer_prompt": "fox"}
    first, *_, last = visit.page.evaluate("window.asked.filter((form) => form.classes)")
    assert (first, last) == (names, names | asked), "what was not touched is left to the service"
    visit.page.fill("#threshold", "0.9")
    expect(visit.at("#fallback")).to_contain_text("scored below the threshold")
    expect(visit.at("#boxes .unused:not(.casing)")).to_have_count(1)
    expect(visit.at("#bars thead th.fg")).to_contain_text("Not shown")
    expect(visit.at("#bars thead th.fg canvas")).to_have_count(0)


def test_an_outdated_question_is_cancelled_and_its_answer_never_shown(visit: Visit) -> None:
    visit.ask("red", salt=5)
    held: list[Route] = []
    visit.page.route("**/classify", lambda route: route.continue_() if held else held.append(route))
    visit.give("blue", salt=6)
    expect(visit.at("#answer")).to_have_attribute("aria-busy", "true")
    with visit.page.expect_event("requestfailed") as cancelled:
        visit.give("green", salt=7)
    visit.answered("green")
    assert cancelled.value.failure == "net::ERR_ABORTED"
    assert cancelled.value == held[0].request


def test_a_refusal_stands_at_its_field(visit: Visit) -> None:
    visit.ask("red", salt=8)
    visit.page.select_option("#fusion", "concat_fc")
    expect(visit.at("#fusion-error")).to_be_visible()
    expect(visit.at("#fusion")).to_have_attribute("aria-invalid", "true")
    expect(visit.at("#trouble [role=alert]")).to_contain_text("A field is invalid")
    visit.at("#trouble button").click()
    expect(visit.at("#fusion")).to_be_focused()
    visit.page.select_option("#fusion", "average")
    expect(visit.at("#reason")).to_have_text(re.compile("^mean probability"))
    expect(visit.at("#fusion-error")).to_be_hidden()
    expect(visit.at("#trouble")).to_be_empty()
    visit.page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture at all"})
    expect(visit.at("#trouble [role=alert]")).to_contain_text(re.compile("picture|image"))
    expect(visit.at("#undrawable")).to_be_visible()


def test_the_way_to_a_marked_picture_is_its_button(visit: Visit) -> None:
    refusal = InvalidFields(FieldProblem("image", "give one picture"))
    visit.page.route("**/classify", refusing(refusal))
    visit.page.fill("#names", CLASSES)
    visit.give("red", salt=38)
    expect(visit.at("[data-field~=image]")).to_have_text("Give one picture.")
    visit.at("#trouble button").click()
    expect(visit.at("#choose")).to_be_focused()


def test_what_is_missing_is_said_before_anything_is_sent(visit: Visit) -> None:
    visit.at("#ask").click()
    expect(visit.at("[data-field~=image]")).to_have_text("Choose a picture first.")
    visit.give("red", salt=9)
    visit.at("#ask").click()
    expect(visit.at("#names-error")).to_have_text("Type at least one name.")
    expect(visit.at("#names")).to_have_attribute("aria-invalid", "true")
    expect(visit.at("#names")).to_be_focused()


def test_a_picture_beyond_what_the_service_reads_is_not_sent(visit: Visit, api: httpx.Client) -> None:
    small = api.get("/models").json() | {"max_body_bytes": 100_000}
    visit.page.route("**/models", lambda route: route.fulfill(json=small))
    with visit.page.expect_response("**/models"):
        visit.page.reload()
    expect(visit.at("#fusion option")).not_to_have_count(0)
    visit.page.fill("#names", CLASSES)
    file = {"name": "a.png", "mimeType": "image/png", "buffer": picture_of(COLOURS["red"]) + bytes(90_000)}
    visit.page.set_input_files("#file", file)
    expect(visit.at("[data-field~=image]")).to_have_text("This picture has 0.1 MB; the service takes at most 0.1 MB.")
    expect(visit.at("#ask")).to_have_text("Recognize")


def refusing(error: ServiceError) -> Callable[[Route], None]:
    """The service's own words of an error, in the place of an answer."""
    answer = problem_response(error)
    return lambda route: route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=bytes(answer.body))


def test_too_much_at_once_is_counted_down_and_may_be_tried_again(visit: Visit) -> None:
    visit.page.route("**/classify", refusing(Overloaded("too many pictures wait", retry_after_s=2)))
    visit.give("red", salt=10)
    visit.page.fill("#names", CLASSES)
    visit.page.press("#names", "Enter")
    again = visit.at("#trouble button")
    expect(visit.at("#trouble [role=alert]")).to_contain_text("The service is busy")
    expect(visit.at("#trouble .countdown")).to_have_text(re.compile(r"in [12] s\.$"))
    expect(again).to_be_disabled()
    visit.page.unroute("**/classify")
    expect(again).to_be_enabled()
    expect(visit.at("#trouble .countdown")).to_have_text("There should be room now.")
    again.click()
    visit.answered("red")
    expect(visit.at("#trouble")).to_be_empty()


def test_models_that_are_being_loaded_are_waited_for(visits: Visits) -> None:
    visit = visits.new()
    visit.page.route("**/models", refusing(NotReady("models are being loaded", retry_after_s=1)))
    visit.page.reload()
    expect(visit.at("#trouble [role=status]")).to_contain_text("The models are being loaded")
    visit.page.evaluate("document.querySelector('#trouble section').dataset.first = 'yes'")
    with visit.page.expect_response("**/models"), visit.page.expect_response("**/datasets"):
        pass
    expect(visit.at("#trouble .countdown")).to_be_visible()
    expect(visit.at("#trouble section")).to_have_attribute("data-first", "yes")
    visit.page.unroute("**/models")
    expect(visit.at("#trouble")).to_be_empty()
    expect(visit.at("#fusion option")).not_to_have_count(0)


def test_a_question_asked_while_models_are_loaded_is_answered_with_all_settings(visits: Visits) -> None:
    visit = visits.new()
    visit.page.route("**/models", refusing(NotReady("models are being loaded", retry_after_s=1)))
    visit.page.reload()
    expect(visit.at("#trouble [role=status]")).to_contain_text("The models are being loaded")
    visit.at("#ask").click()
    expect(visit.at("[data-field~=image]")).to_have_text("Choose a picture first.")
    expect(visit.at("#trouble .countdown")).to_be_visible()
    with visit.page.expect_response("**/models"):
        visit.give("red", salt=30)
    visit.page.fill("#names", CLASSES)
    with visit.page.expect_response("**/models"):
        visit.page.press("#names", "Enter")
    visit.page.unroute("**/models")
    visit.answered("red")
    expect(visit.at("#fusion option")).not_to_have_count(0)
    expect(visit.at("#trouble")).to_be_empty()


@pytest.mark.parametrize("opened_first", [True, False], ids=["models known before", "models never seen"])
@pytest.mark.parametrize("picture", ["before", "meanwhile", "after"])
def test_a_dataset_used_while_models_are_loaded_is_waited_for_and_chosen(
    visits: Visits, api: httpx.Client, opened_first: bool, picture: str
) -> None:
    api.put("/datasets/colours-later", json={"classes": ["red", "green", "blue"]})
    visit = visits.new()
    if opened_first:
        expect(visit.at("#fusion option")).not_to_have_count(0)
    visit.page.goto(f"{visit.service}/#datasets")
    if not opened_first:
        visit.page.reload()
    if picture == "before":
        visit.give("red", salt=31)
    entry = visit.at("#list [data-name=colours-later]")
    expect(entry.locator(".use")).to_be_enabled()
    loading = refusing(NotReady("models are being loaded", retry_after_s=1))
    for address in ("**/models", "**/datasets", "**/datasets/*", "**/classify"):
        visit.page.route(address, loading)
    with visit.page.expect_response("**/models"):
        entry.locator(".use").click()
    expect(visit.at("#trouble [role=status]")).to_contain_text("The models are being loaded")
    expect(visit.at("#trouble .countdown")).to_be_visible()
    if picture == "meanwhile":
        visit.give("red", salt=32)
        expect(visit.at("#trouble [role=status]")).to_contain_text("The models are being loaded")
    expect(visit.at("#trouble [role=alert]")).to_have_count(0)
    visit.page.unroute_all()
    expect(visit.at("#dataset")).to_have_value("colours-later")
    expect(visit.at("#by-dataset")).to_be_visible()
    if picture == "after":
        visit.give("red", salt=33)
    visit.answered("red")
    expect(visit.at("#trouble")).to_be_empty()


def test_an_answer_never_stands_at_another_picture(visit: Visit) -> None:
    visit.page.route("**/classify", lambda _route: None)  # held
    visit.page.fill("#names", CLASSES)
    with visit.page.expect_request("**/classify"):
        visit.give("red", salt=31)
    expect(visit.at("#ask")).to_have_text("Looking …")
    visit.page.fill("#names", "")
    with visit.page.expect_event("requestfailed", lambda request: request.url.endswith("/classify")):
        visit.give("blue", salt=32)
    expect(visit.at("#ask")).to_have_text("Recognize")
    expect(visit.at("#answer")).to_be_hidden()


def test_a_setting_changed_while_the_first_question_is_under_way_is_asked(visits: Visits) -> None:
    visit = visits.new(scripts=[RECORDING])
    held: list[Route] = []
    visit.page.route("**/classify", lambda route: route.continue_() if held else held.append(route))
    visit.page.fill("#names", CLASSES)
    visit.give("red", salt=35)
    expect(visit.at("#ask")).to_have_text("Looking …")
    visit.page.fill("#threshold", "0.9")
    visit.answered("red")
    assert visit.page.evaluate("window.asked.filter((form) => form.classes).map((form) => form.box_threshold)") == [
        None,
        "0.9",
    ]
    expect(visit.at("#fallback")).to_contain_text("scored below the threshold")


def test_a_question_replaced_by_a_refusal_leaves_nothing_busy(visit: Visit) -> None:
    visit.page.route("**/classify", lambda _route: None)  # held
    visit.page.fill("#names", CLASSES)
    visit.give("red", salt=36)
    expect(visit.at("#ask")).to_have_text("Looking …")
    visit.page.fill("#names", "")
    visit.at("#ask").click()
    expect(visit.at("#names-error")).to_have_text("Type at least one name.")
    expect(visit.at("#ask")).to_have_text("Recognize")
    expect(visit.at("#answer")).to_have_attribute("aria-busy", "false")


def test_a_picture_that_is_refused_takes_the_answer_before_it_away(visit: Visit) -> None:
    visit.ask("red", salt=33)
    visit.page.route("**/classify", refusing(ImageTruncated("the picture is cut short")))
    visit.give("blue", salt=34)
    expect(visit.at("#trouble [role=alert]")).to_contain_text("cut short")
    expect(visit.at("#answer")).to_be_hidden()


def test_a_picture_that_lies_on_its_side_is_shown_upright_with_its_box(visit: Visit) -> None:
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (96, 48), COLOURS["red"]).save(turned, "JPEG", exif=exif)
    visit.page.fill("#names", CLASSES)
    visit.page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": turned.getvalue()})
    visit.answered("red")
    expect(visit.at("#box-words")).to_contain_text("24 \N{MULTIPLICATION SIGN} 48 of 48 \N{MULTIPLICATION SIGN} 96")
    assert visit.at("#picture").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [48, 96]
    crop = visit.at("#bars .fg canvas").evaluate("canvas => [canvas.width, canvas.height]")
    assert crop == [48, 48], "padded to a square"


def test_a_service_that_cannot_be_reached_is_said_and_asked_again(visit: Visit) -> None:
    visit.page.route("**/classify", lambda route: route.abort("connectionrefused"))
    visit.give("red", salt=11)
    visit.page.fill("#names", CLASSES)
    visit.at("#ask").click()
    expect(visit.at("#trouble [role=alert]")).to_contain_text("The service cannot be reached")
    visit.page.unroute("**/classify")
    visit.at("#trouble button").click()
    visit.answered("red")


def test_a_list_is_registered_from_a_file_watched_used_and_deleted_after_a_question(
    visit: Visit, api: httpx.Client
) -> None:
    visit.at("nav [data-view=datasets]").click()
    expect(visit.at("#datasets-title")).to_be_focused()
    rows = ["id,Label", *(f'{number},"colour, {number}"' for number in range(400)), "400,red", "401,red"]
    file = {"name": "many colours.csv", "mimeType": "text/csv", "buffer": "\r\n".join(rows).encode()}
    visit.page.set_input_files("#list-file", file)
    expect(visit.at("#new-classes-count")).to_have_text("401 classes. 1 name given twice, kept once.")
    assert visit.at("#new-name").input_value() == "many-colours"
    visit.at("#register [type=submit]").click()
    entry = visit.at("#list [data-name=many-colours]")
    expect(entry.locator("progress")).to_be_visible()
    expect(entry.locator(".facts-of")).to_have_text(re.compile(r"401 classes · building, [1-9]\d? %"))
    expect(entry.locator(".use")).to_be_disabled()
    expect(entry.locator("progress")).to_be_hidden()
    expect(visit.at("#said")).to_have_text("many-colours is ready.")
    assert api.get("/datasets/many-colours").json()["classes"][5]["name"] == "colour, 5"
    entry.locator(".use").click()
    expect(visit.at("#dataset")).to_have_value("many-colours")
    visit.give("red", salt=12)
    visit.answered("red")
    expect(visit.at("#others")).to_have_text("395 further classes scored lower.")
    visit.at("nav [data-view=datasets]").click()
    entry.locator(".delete").click()
    expect(visit.at("#confirm")).to_be_visible()
    expect(visit.at("#confirm [data-close]")).to_be_focused()
    visit.page.keyboard.press("Escape")
    expect(visit.at("#confirm")).to_be_hidden()
    expect(entry.locator(".delete")).to_be_focused()
    assert api.get("/datasets/many-colours").status_code == 200
    entry.locator(".delete").click()
    visit.at("#confirm-yes").click()
    expect(entry).to_have_count(0)
    expect(visit.at("#said")).to_have_text("many-colours is deleted.")
    assert api.get("/datasets/many-colours").status_code == 404


def test_a_delete_that_is_refused_is_said(visit: Visit, api: httpx.Client) -> None:
    api.put("/datasets/guarded", json={"classes": ["red", "blue"]})
    visit.page.goto(f"{visit.service}/#datasets")
    visit.page.route("**/datasets/guarded", refusing(Forbidden("the key lacks the scope manage")))
    visit.at("#list [data-name=guarded] .delete").click()
    with visit.page.expect_response(lambda response: response.url.endswith("/datasets")):
        visit.at("#confirm-yes").click()
    expect(visit.at("#delete-trouble [role=alert]")).to_contain_text("lacks the scope manage")
    visit.at("nav [data-view=recognize]").click()
    visit.at("nav [data-view=datasets]").click()
    expect(visit.at("#delete-trouble")).to_be_empty()


def test_a_dataset_that_comes_after_names_were_chosen_changes_no_setting(visit: Visit, api: httpx.Client) -> None:
    api.put("/datasets/late", json={"classes": ["red", "blue"]})
    late = api.get("/datasets/late").json() | {"box_threshold": 0.77, "fusion": "average"}
    held: list[Route] = []
    visit.page.route("**/datasets/late", lambda route: held.append(route))
    visit.page.goto(f"{visit.service}/#datasets")
    with visit.page.expect_request("**/datasets/late"):
        visit.at("#list [data-name=late] .use").click()
    expect(visit.at("#by-dataset")).to_be_visible()
    visit.at("#names-form .segments label").first.click()
    expect(visit.at("#by-names")).to_be_visible()
    usual = visit.at("#threshold-value").inner_text()
    with visit.page.expect_response("**/datasets/late"):
        held[0].fulfill(json=late)
    visit.ask("red", salt=37)
    assert usual != "0.77"
    expect(visit.at("#threshold-value")).to_have_text(usual)
    expect(visit.at("#fusion")).to_have_value("max_confidence")


def test_a_build_that_failed_is_not_said_to_go_on(visit: Visit, api: httpx.Client) -> None:
    api.put("/datasets/broken", json={"classes": ["red", "blue"]})
    listed = next(entry for entry in api.get("/datasets").json()["datasets"] if entry["name"] == "broken")
    listed |= {"status": "failed", "version": None, "building": listed["version"], "failure": "disk full"}
    visit.page.route("**/datasets", lambda route: route.fulfill(json={"datasets": [listed | {"progress": 0.37}]}))
    visit.page.goto(f"{visit.service}/#datasets")
    entry = visit.at("#list [data-name=broken]")
    expect(entry.locator(".field-error")).to_have_text("The build failed: disk full")
    expect(entry.locator(".facts-of")).to_have_text("2 classes")
    expect(entry.locator("progress")).to_be_hidden()


def test_other_content_under_a_name_replaces_only_after_a_question(visit: Visit, api: httpx.Client) -> None:
    api.put("/datasets/pair", json={"classes": ["red", "blue"]})
    visit.page.goto(f"{visit.service}/#datasets")
    visit.at("#register [type=submit]").click()
    expect(visit.at("#new-name-error")).to_have_text("Give it a name.")
    expect(visit.at("#new-name")).to_be_focused()
    visit.page.fill("#new-name", "pair")
    visit.page.fill("#new-classes", "red\ngreen")
    visit.at("#register [type=submit]").click()
    visit.at("#confirm [data-close]").click()
    expect(visit.at("#new-name-error")).to_have_text("This name is taken.")
    assert [entry["name"] for entry in api.get("/datasets/pair").json()["classes"]] == ["red", "blue"]
    visit.at("#register [type=submit]").click()
    visit.at("#confirm-yes").click()
    expect(visit.at("#new-name")).to_have_value("")
    assert [entry["name"] for entry in api.get("/datasets/pair").json()["classes"]] == ["red", "green"]
    visit.page.fill("#new-name", "bad")
    visit.page.fill("#new-classes", "red\ngreen")
    visit.page.fill("#new-template", "no place for a name")
    visit.at("#register [type=submit]").click()
    expect(visit.at("#new-template-error")).to_contain_text("{}")


def test_a_key_is_asked_for_kept_for_the_tab_alone_and_forgotten(visits: Visits, secret: tuple[Any, str]) -> None:
    visit = visits.new(has_key=False)
    dialog = visit.at("#key-dialog")
    expect(dialog).to_be_visible()
    expect(visit.at("#key")).to_be_focused()
    visit.page.keyboard.type("l2r2_wrong")
    visit.page.keyboard.press("Enter")
    expect(visit.at("#key-error")).to_have_text(re.compile("does not know this key"))
    visit.page.keyboard.press("Escape")
    expect(visit.at("#trouble [role=alert]")).to_contain_text("key")
    visit.at("#trouble button").click()
    visit.page.fill("#key", secret[1])
    visit.page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    visit.ask("blue", salt=13)
    kept = "[Object.values(sessionStorage), Object.values(localStorage), document.cookie]"
    assert visit.page.evaluate(kept) == [[secret[1]], [], ""]
    other = visits.beside(visit.page.context)
    expect(other.at("#key-dialog")).to_be_visible()
    visit.at("#forget-key").click()
    expect(dialog).to_be_visible()
    assert visit.page.evaluate(kept)[0] == []


def test_a_key_that_no_header_can_hold_is_refused_at_its_field(visits: Visits, secret: tuple[Any, str]) -> None:
    visit = visits.new(has_key=False)
    visit.page.fill("#key", "l2r2_\N{ZERO WIDTH SPACE}\N{EN DASH}")
    visit.page.keyboard.press("Enter")
    expect(visit.at("#key-error")).to_contain_text("ASCII")
    expect(visit.at("#key")).to_have_attribute("aria-invalid", "true")
    visit.page.fill("#key", secret[1])
    visit.page.keyboard.press("Enter")
    expect(visit.at("#key-dialog")).to_be_hidden()
    expect(visit.at("#fusion option")).not_to_have_count(0)


def test_a_fragment_that_names_no_view_shows_the_first(visits: Visits) -> None:
    visit = visits.new()
    visit.page.goto(f"{visit.service}/page/icon.svg")  # elsewhere, so that the page is loaded anew
    visit.page.goto(f"{visit.service}/#constructor")
    expect(visit.at("#recognize")).to_be_visible()
    expect(visit.at("#fusion option")).not_to_have_count(0)


def test_a_later_problem_takes_the_place_of_a_proxys(visit: Visit) -> None:
    visit.page.route("**/models", lambda route: route.fulfill(status=502, body="<html>"))
    visit.page.reload()
    expect(visit.at("#trouble [role=alert]")).to_contain_text("Status 502")
    visit.page.route("**/models", refusing(Overloaded("too many pictures wait", retry_after_s=2)))
    visit.at("#trouble button").click()
    expect(visit.at("#trouble [role=alert]")).to_contain_text("The service is busy")


def focused(visit: Visit) -> str:
    """What has the focus, which must show."""
    name, style, width = visit.page.evaluate(
        """() => {
          const element = document.activeElement;
          const style = getComputedStyle(element.type === "radio" ? element.nextElementSibling : element);
          const name = element.id || element.className || element.textContent.trim();
          return [name, style.outlineStyle, parseFloat(style.outlineWidth)];
        }"""
    )
    assert (style, width >= 2) == ("solid", True), f"no ring around {name}"
    return str(name)


def tab_to(visit: Visit, wanted: str, most: int = 40) -> None:
    for _ in range(most):
        visit.page.keyboard.press("Tab")
        if focused(visit) == wanted:
            return
    raise AssertionError(f"no way to {wanted}")


def test_the_keyboard_alone_suffices(visit: Visit) -> None:
    visit.page.on("filechooser", lambda _chooser: None)  # from now on, not only once it is waited for
    expect(visit.at("#fusion option")).not_to_have_count(0)
    tab_to(visit, "skip", 1)
    visit.page.keyboard.press("Enter")
    tab_to(visit, "choose")
    with visit.page.expect_file_chooser():
        visit.page.keyboard.press("Enter")
    tab_to(visit, "sample")
    visit.page.keyboard.press("Enter")
    expect(visit.at("#answer")).to_be_visible()
    tab_to(visit, "names")
    visit.page.keyboard.press("ControlOrMeta+a")
    visit.page.keyboard.type("red, green")
    visit.page.keyboard.press("Enter")
    expect(visit.at("#bars tbody tr")).to_have_count(2)
    tab_to(visit, "fusion")
    visit.page.keyboard.type("average")
    expect(visit.at("#reason")).to_have_text(re.compile("^mean probability"))
    tab_to(visit, "margin")
    visit.page.keyboard.press("End")
    expect(visit.at("#margin-value")).to_have_text("100 %")
    for _ in range(40):
        visit.page.keyboard.press("Shift+Tab")
        if focused(visit) == "Datasets":
            break
    visit.page.keyboard.press("Enter")
    expect(visit.at("#datasets-title")).to_be_focused()
    tab_to(visit, "new-name")


@pytest.fixture(scope="module")
def views(browser: Any, service: str, secret: tuple[Any, str]) -> Iterator[dict[str, Visit]]:
    """A tab in each state that a visitor may see."""
    httpx.put(f"{service}/datasets/pair", json={"classes": ["red", "blue"]}, headers=bearer(secret[1]))
    visits = Visits(browser, service, secret[1])
    shown = {name: visits.new(has_key=name != "key")
             for name in ("beginning", "answer", "refused", "lists", "question", "key")}  # fmt: skip
    shown["answer"].ask("red", salt=20)
    shown["refused"].ask("red", salt=20)
    shown["refused"].page.select_option("#fusion", "concat_fc")
    expect(shown["refused"].at("#fusion-error")).to_be_visible()
    for name in ("lists", "question"):
        shown[name].page.goto(f"{service}/#datasets")
        expect(shown[name].at("#list li")).not_to_have_count(0)
    shown["question"].at("#list .delete").first.click()
    expect(shown["key"].at("#key-dialog")).to_be_visible()
    yield shown
    visits.close()


def test_nothing_is_wider_than_a_phone(views: dict[str, Visit]) -> None:
    for name, visit in views.items():
        visit.page.set_viewport_size({"width": 360, "height": 740})
        assert visit.width_px() == 360, name
        visit.page.set_viewport_size({"width": 1280, "height": 900})


def test_a_phone_takes_photographs_and_breaks_what_is_long(visits: Visits) -> None:
    phone = visits.new("phone", has_touch=True)
    expect(phone.at("#photograph")).to_be_visible()
    expect(phone.at("#camera")).to_have_attribute("capture", "environment")
    long = "a-name-without-any-place-to-break-it-" * 2
    phone.give("red", salt=21)
    phone.page.fill("#names", f"{long}, red, blue")
    phone.page.press("#names", "Enter")
    expect(phone.at("#bars tbody tr")).to_have_count(3)
    assert phone.width_px() == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_stands_in_anybodys_way(views: dict[str, Visit], scheme: Any) -> None:
    for name, visit in views.items():
        visit.page.emulate_media(color_scheme=scheme)
        assert visit.barriers() == [], name


def test_the_colours_follow_the_system_until_they_are_chosen(visits: Visits) -> None:
    visit = visits.new(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = visit.page.evaluate(ground)
    switch = visit.at("#theme")
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "false")
    light = visit.page.evaluate(ground)
    assert sum(map(int, re.findall(r"\d+", light))) > sum(map(int, re.findall(r"\d+", dark))) + 400
    visit.page.reload()
    assert visit.page.evaluate(ground) == light


def test_it_works_behind_a_proxy_that_adds_a_prefix(visit: Visit) -> None:
    asked: list[str] = []

    def without_prefix(route: Route) -> None:
        asked.append(route.request.url)
        route.continue_(url=route.request.url.replace("/some/prefix", ""))

    visit.page.wait_for_load_state("networkidle")  # what the page without it still loads
    visit.page.route("**/some/prefix/**", without_prefix)
    addresses: list[str] = []
    visit.page.on("request", lambda request: addresses.append(request.url))
    visit.page.goto(f"{visit.service}/some/prefix/")
    visit.ask("red", salt=22)
    assert {"classify", "models", "datasets", "main.js"} <= {url.rsplit("/", 1)[-1] for url in asked}
    assert not [url for url in addresses if not url.startswith((f"{visit.service}/some/prefix/", "blob:"))]


class Modules:
    """The page's own functions, called with JSON."""

    def __init__(self, visit: Visit) -> None:
        self._page = visit.page

    def __call__(self, module: str, expression: str, argument: Any) -> Any:
        return self._page.evaluate(
            f"async (given) => {{ const it = await import('./page/{module}.js'); return {expression}; }}", argument
        )


@pytest.fixture(scope="module")
def modules(views: dict[str, Visit]) -> Modules:
    return Modules(views["beginning"])


def test_every_view_of_the_service_has_a_title_a_phrase_and_a_colour(modules: Modules, api: httpx.Client) -> None:
    known = modules("views", "it.VIEWS", None)
    assert set(api.get("/models").json()["branches"]) <= set(known)
    assert all({"title", "phrase", "colour"} <= set(view) for view in known.values())


edges = st.floats(-50, 250, allow_nan=False, width=32)
boxes = st.tuples(
    edges, edges, st.floats(0.25, 200, width=32), st.floats(0.25, 200, width=32), st.floats(0, 1, width=32)
)


def test_crops_are_those_of_the_service(modules: Modules) -> None:
    width, height = 160, 120

    @settings(max_examples=20)
    @given(st.lists(boxes, min_size=1, max_size=30))
    def law(given_boxes: list[tuple[float, ...]]) -> None:
        wanted, asked = [], []
        for x, y, w, h, margin in given_boxes:
            x0, y0, x1, y1 = outward_pixels(Box(x, y, x + w, y + h).widened(margin), width, height)
            wanted.append([x0, y0, x1 - x0, y1 - y0])
            asked.append([{"x0": x, "y0": y, "x1": x + w, "y1": y + h}, margin])
        found = modules("views", f"given.map(([box, margin]) => it.cropOf(box, margin, {width}, {height}))", asked)
        assert [[crop["x"], crop["y"], crop["width"], crop["height"]] for crop in found] == wanted

    law()


DRAWING = """(() => {
  const { width, height } = given;
  const source = new OffscreenCanvas(width, height);
  source.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(given.rgba), width, height), 0, 0);
  const canvas = it.drawn("fg", source, given);
  const shown = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [shown.height, shown.width, [...shown.data]];
})()"""


def test_the_crop_drawn_is_the_one_that_the_encoder_saw(modules: Modules) -> None:
    width, height, margin, pad = 90, 60, 0.125, (123, 117, 104)
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    rgba = np.dstack([rgb, np.full((height, width), 255, np.uint8)]).ravel().tolist()
    box = Box(10.4, 20.0, 61.0, 41.5)
    scene = {"width": width, "height": height, "rgba": rgba, "box": vars(box), "margin": margin, "pad": "#7b7568"}
    rows, columns, pixels = modules("views", DRAWING, scene)
    shown = np.array(pixels, np.uint8).reshape(rows, columns, 4)[..., :3]
    assert np.array_equal(shown, foreground(rgb, box, pad, margin))


cells = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from('",;\n\r'), max_size=8)


def test_tables_are_read_as_they_were_written(modules: Modules) -> None:
    @settings(max_examples=40)
    @given(st.lists(st.lists(cells, min_size=2, max_size=3), max_size=4))
    def law(rows: list[list[str]]) -> None:
        written = io.StringIO()
        csv.writer(written).writerows(rows)
        assert modules("names", "it.csvRows(given)", written.getvalue()) == rows

    law()


@pytest.mark.parametrize(
    ("file", "text", "names"),
    [
        ("a.txt", "red\r\ngreat tit, male\n\n red ", ["red", "great tit, male"]),
        ("a.csv", "red,1\ngreen,2", ["red", "green"]),
        ("a.csv", "\ufeffid;name\n1;red\n2;green", ["red", "green"]),
        ("A.CSV", 'Class,note\n"tit, great",x', ["tit, great"]),
        ("a.csv", "", []),
    ],
)
def test_names_come_out_of_files(modules: Modules, file: str, text: str, names: list[str]) -> None:
    assert modules("names", "it.namesInFile(...given).names", [file, text]) == names
