"""Every operation shows what is sent and answered, every error stands in the document, and the examples are valid."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

import bezant.contracts
from bezant.cli.contract_examples import known_problems
from bezant.contracts.fleet import SERVICES

API: dict[str, Any] = json.loads((Path(bezant.contracts.__file__).parent / "openapi.json").read_text())


def examples() -> Iterator[Any]:
    for path, methods in API["paths"].items():
        for method, operation in methods.items():
            parts = {"request": operation.get("requestBody", {})} | {
                status: response for status, response in operation["responses"].items() if status.startswith("2")
            }
            for part, described in parts.items():
                content = described.get("content", {}).get("application/json")
                if content is not None:
                    yield pytest.param(content, id=f"{method.upper()} {path} {part}")


@pytest.mark.parametrize("content", list(examples()))
def test_an_example_is_one_of_its_schema(content: dict[str, Any]) -> None:
    schema = {**content["schema"], "components": API["components"]}
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(content["example"])


@pytest.mark.parametrize("service", SERVICES)
def test_every_error_that_a_service_knows_is_shown(service: str) -> None:
    shown = API["components"]["responses"][f"problem_of_{service}"]["content"]["application/problem+json"]["examples"]
    for problem in known_problems(service):
        value = API["components"]["examples"][shown[problem.code]["$ref"].rpartition("/")[2]]["value"]
        assert (value["status"], value["code"], value["title"]) == (problem.status, problem.code, problem.title)
        assert value["detail"]


def test_every_operation_refers_to_its_services_errors() -> None:
    for methods in API["paths"].values():
        for operation in methods.values():
            assert (
                operation["responses"]["default"]["$ref"].removeprefix("#/components/responses/")
                in (API["components"]["responses"])
            )
