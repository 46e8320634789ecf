"""What crosses the edge: card numbers, amounts, identifiers, cursors."""

import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bezant.contracts.annotations import Metadata, Text
from bezant.contracts.card_numbers import holds_card_number, passes_luhn, refuse_card_numbers
from bezant.contracts.currencies import CURRENCIES
from bezant.contracts.identifiers import new_id
from bezant.contracts.money import MAX_AMOUNT_MINOR, Money, format_amount
from bezant.contracts.problems import CardNumberRefused, InvalidCursor
from bezant.foundation.http import decode_cursor, encode_cursor

VISA, AMEX, MASTERCARD = "4111111111111111", "378282246310005", "5500005555555559"


class TestCardNumbers:
    @pytest.mark.parametrize(
        "number", [VISA, AMEX, MASTERCARD, "6011111111111117", "2223003122003222", "4222222222222"]
    )
    @pytest.mark.parametrize("form", ["{}", "card {} please", "({})", "№{}.", "x:{};y", "a\n{}\nb"])
    def test_test_numbers_of_the_brands_are_found_wherever_they_stand(self, number: str, form: str) -> None:
        assert holds_card_number(form.format(number))

    @pytest.mark.parametrize(
        "text",
        [
            "4111 1111 1111 1111", "4111-1111-1111-1111", "3782 822463 10005",
            # the same digits as other scripts and typography write them
            "４１１１１１１１１１１１１１１１", "٤١١١١١١١١١١١١١١١", "4111\u00a01111\u00a01111\u00a01111",
            "4111\u20111111\u20111111\u20111111", "4\u200b111111111111111", "4111\u20601111\u206011111111",
            "4111\u20141111\u20141111\u20141111",
        ],
    )  # fmt: skip
    def test_separators_and_other_digits_do_not_hide_a_number(self, text: str) -> None:
        assert holds_card_number(text)

    @pytest.mark.parametrize(
        "text",
        [
            "", "order 4111", "4111111111111112", "1111111111111111", "0000000000000000", "41111111111111",
            "018f4e1c-7b2a-7c3d-9e4f-4111111111111111aa", "4111111111111111111111", "a4111111111111111",
            "+55 11 91234-5678", "2026-11-23T15:04:05.123456Z", "invoice 2026-000114", "café ١٢٣",
        ],
    )  # fmt: skip
    def test_other_numbers_are_let_through(self, text: str) -> None:
        assert not holds_card_number(text)

    @pytest.mark.parametrize("form", ["{}", "order-ref {}", "({}).", "a/{}/b"])
    def test_a_uuid_is_no_card_number_whatever_its_digits(self, form: str) -> None:
        # the first 13 digits of this one pass the Luhn check and begin like a card's
        assert not holds_card_number(form.format("68699840-2130-4219-aee7-c7fdb585d4a4"))

    @pytest.mark.parametrize(
        "text",
        [
            "41111111-1111-1111-0000-000000000000",  # the shape of a UUID, and none: neither version nor variant
            "68699840-2130-4219-aee7-c7fdb585d4a4 4111 1111 1111 1111",
            "68699840-2130-4219-aee7-c7fdb585d4a4-4111111111111111",
        ],
    )
    def test_what_only_looks_like_a_uuid_or_stands_beside_one_is_read(self, text: str) -> None:
        assert holds_card_number(text)

    def test_what_is_refused_names_the_place_and_not_the_number(self) -> None:
        fields = {"reference": "fine", "metadata": {"note": {"deep": ["x", VISA]}}}
        with pytest.raises(CardNumberRefused) as refused:
            refuse_card_numbers(**fields)
        assert refused.value.extensions["field"] == "metadata.note.deep[1]"
        assert VISA not in str(refused.value.document())

    @pytest.mark.parametrize("value", [{VISA: "x"}, {"a": int(VISA)}, [VISA], (VISA,)])
    def test_keys_and_numbers_are_looked_at_too(self, value: object) -> None:
        with pytest.raises(CardNumberRefused):
            refuse_card_numbers(metadata=value)
        refuse_card_numbers(metadata={"flag": True, "none": None})

    @given(st.from_regex(r"[2-6][0-9]{11,17}", fullmatch=True))
    def test_exactly_one_check_digit_makes_a_number_pass(self, digits: str) -> None:
        assert sum(passes_luhn(digits + check) for check in "0123456789") == 1

    @given(st.text(max_size=60))
    def test_no_text_is_too_strange(self, text: str) -> None:
        holds_card_number(text)


class TestMoney:
    @pytest.mark.parametrize(
        ("amount", "currency", "shown"),
        [
            (1250, "USD", "12.50 USD"), (1250, "JPY", "1,250 JPY"), (1250, "KWD", "1.250 KWD"), (0, "USD", "0.00 USD"),
            (5, "USD", "0.05 USD"), (-5, "USD", "-0.05 USD"), (-123456789, "BRL", "-1,234,567.89 BRL"),
            (MAX_AMOUNT_MINOR, "USD", "90,071,992,547,409.91 USD"), (12345, "CLF", "1.2345 CLF"),
            (10**40 + 1, "USD", f"{10**38:,}.01 USD"), (-(10**40) - 1, "JPY", f"-{10**40 + 1:,} JPY"),
        ],
    )  # fmt: skip
    def test_amounts_are_shown_in_major_units(self, amount: int, currency: str, shown: str) -> None:
        assert format_amount(amount, currency) == shown

    @given(st.integers(-(10**60), 10**60), st.sampled_from(sorted(CURRENCIES)))
    def test_every_digit_of_every_amount_is_shown(self, amount: int, currency: str) -> None:
        text = format_amount(amount, currency).removesuffix(f" {currency}").replace(",", "")
        whole, _, fraction = text.partition(".")
        assert len(fraction) == CURRENCIES[currency].exponent
        assert int(whole + fraction) == amount

    def test_the_currency_table_is_that_of_iso_4217(self) -> None:
        assert {code: CURRENCIES[code].exponent for code in ("USD", "JPY", "KWD", "BRL", "CLF", "UYW")} == {
            "USD": 2, "JPY": 0, "KWD": 3, "BRL": 2, "CLF": 4, "UYW": 4,
        }  # fmt: skip
        assert "XXX" not in CURRENCIES
        assert all(len(code) == 3 and 0 <= currency.exponent <= 4 for code, currency in CURRENCIES.items())

    @pytest.mark.parametrize(
        "amount", [0, -1, MAX_AMOUNT_MINOR + 1, 1.0, 1.5, "1", True, None, float("nan"), float("inf"), 10**400]
    )
    def test_only_whole_positive_amounts_can_be_moved(self, amount: object) -> None:
        with pytest.raises(ValidationError):
            Money.model_validate({"amount_minor": amount, "currency": "USD"})

    @pytest.mark.parametrize("currency", ["usd", "US", "USDX", "XXX", "", None, "ＵＳＤ", "US\x00"])
    def test_only_known_currencies_exist(self, currency: object) -> None:
        with pytest.raises(ValidationError):
            Money.model_validate({"amount_minor": 1, "currency": currency})


class TestText:
    @pytest.mark.parametrize("text", ["a\x00b", "\ud800", "\udfff tail"])
    def test_what_cannot_be_stored_is_refused(self, text: str) -> None:
        for value, kind in ((text, Text), ({"k": text}, Metadata), ({text: "v"}, Metadata)):
            with pytest.raises(ValidationError):
                TypeAdapter(kind).validate_python(value)

    @pytest.mark.parametrize("text", ["", "漢字", "🧾" * 100, "\u202e reversed", "tab\tline\n", "\x7f\x01"])
    def test_what_can_be_stored_is_accepted(self, text: str) -> None:
        assert TypeAdapter(Text).validate_python(text) == text

    def test_metadata_is_bounded(self) -> None:
        adapter = TypeAdapter(Metadata)
        adapter.validate_python({f"k{n}": "v" * 500 for n in range(50)})
        for wrong in (
            {f"k{n}": "v" for n in range(51)},
            {"": "v"},
            {"k" * 41: "v"},
            {"k": "v" * 501},
            {"k": 1},
            {"k": {}},
        ):
            with pytest.raises(ValidationError):
                adapter.validate_python(wrong)


class TestIdentifiers:
    def test_ids_sort_by_the_time_they_were_made(self) -> None:
        made = [new_id() for _ in range(2000)]
        assert made == sorted(made)
        assert len(set(made)) == 2000
        assert {identifier.version for identifier in made} == {7}


class TestCursors:
    @given(st.uuids())
    def test_a_cursor_gives_its_id_back(self, identifier: UUID) -> None:
        cursor = encode_cursor(identifier)
        assert decode_cursor(cursor) == identifier
        assert cursor.isascii()
        assert "=" not in cursor

    def test_no_cursor_is_the_beginning(self) -> None:
        assert decode_cursor(None) is None

    @pytest.mark.parametrize(
        "change",
        [
            lambda c: "", lambda c: c[:-1], lambda c: c + "A", lambda c: c + "==", lambda c: " " + c,
            lambda c: c + "\n",
            lambda c: c[:5] + "%" + c[5:], lambda c: c[:5] + "é" + c[6:], lambda c: "\x00" * 22, lambda c: "?" * 22,
            lambda c: c.replace("_", "/"), lambda c: str(UUID(int=1)), lambda c: c[:-1] + "B", lambda c: "A" * 10_000,
        ],
    )  # fmt: skip
    def test_what_was_tampered_with_is_refused(self, change: object) -> None:
        # of these bytes no two encodings are the same, and one character is special
        cursor = base64.urlsafe_b64encode(b"\xff" * 15 + b"\x00").rstrip(b"=").decode()
        with pytest.raises(InvalidCursor):
            decode_cursor(change(cursor))  # type: ignore[operator]

    @given(st.text(max_size=40))
    def test_nothing_but_our_own_cursors_is_read(self, text: str) -> None:
        try:
            found = decode_cursor(text)
        except InvalidCursor:
            return
        assert found is not None
        assert encode_cursor(found) == text
