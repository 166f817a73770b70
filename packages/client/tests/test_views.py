import pytest

from slipway import JobTable, JobView, ProjectionView, Submission

HOSTILE = "<script>alert('&')</script>"


@pytest.fixture
def shown(said):
    projection = said.projection()
    accepted = said.accepted().model_dump()
    return {
        "submission": Submission(**accepted, idempotency_key="k1", idempotent_replayed=False),
        "projection": ProjectionView(**projection.model_dump()),
        "job": JobView(projection=projection, command=said.command()),
        "jobs": JobTable([projection]),
    }


@pytest.mark.parametrize("kind", ["submission", "projection", "job", "jobs"])
def test_a_notebook_shows_what_a_user_holds(shown, kind):
    html = shown[kind]._repr_html_()
    assert html.startswith("<pre>")
    assert "j1" in html


def test_what_others_wrote_is_no_markup(said):
    projection = said.projection().model_copy(update={"display_message": HOSTILE})
    html = JobTable([projection])._repr_html_()
    assert "alert" in html
    assert "<script" not in html
