from slipway_node.aiida.silence import GAP_MAX_SECONDS, Silences


def test_a_first_look_is_no_more_than_a_suspicion():
    assert Silences().look("broker", "no word", now=1_000.0) == 0.0


def test_a_silence_lasts_from_its_first_look_on():
    silences = Silences()
    silences.look("broker", "no word", now=10.0)
    silences.look("broker", "no word", now=15.0)
    assert silences.look("broker", "still no word", now=21.0) == 11.0
    assert silences.told() == {"broker": "still no word"}


def test_a_sign_of_life_ends_it():
    silences = Silences()
    silences.look("broker", "no word", now=10.0)
    silences.look("broker", None, now=15.0)
    assert silences.told() == {}
    assert silences.look("broker", "no word", now=20.0) == 0.0


def test_silences_are_told_apart():
    silences = Silences()
    silences.look("broker", "no word", now=10.0)
    assert silences.look("daemon", "no answer", now=20.0) == 0.0


def test_who_did_not_look_for_long_cannot_tell_of_a_long_silence():
    silences = Silences()
    silences.look("broker", "no word", now=10.0)
    assert silences.look("broker", "no word", now=10_000.0) == GAP_MAX_SECONDS


def test_what_was_brought_back_begins_anew():
    silences = Silences()
    silences.look("broker", "no word", now=10.0)
    silences.forget()
    assert silences.told() == {}
    assert silences.look("broker", "no word", now=15.0) == 0.0
