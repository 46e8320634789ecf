"""The merged OpenAPI document of all services, and a page to browse it that needs no outside network."""

from importlib import resources

from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

_STATIC = "/static-offline-docs"


def documentation_routes() -> APIRouter:
    """Return `/openapi.json`, `/docs` and the assets that it loads."""
    router = APIRouter(include_in_schema=False)
    document = resources.files("bezant.contracts").joinpath("openapi.json").read_bytes()

    @router.get("/openapi.json")
    async def openapi() -> Response:
        return Response(document, media_type="application/json")

    @router.get("/docs")
    async def swagger() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Bezant API",
            swagger_js_url=f"{_STATIC}/swagger-ui-bundle.js",
            swagger_css_url=f"{_STATIC}/swagger-ui.css",
            swagger_favicon_url=f"{_STATIC}/favicon.png",
        )
        # The page starts itself with a script in line, and shows pictures that it carries.
        page.headers["content-security-policy"] = (
            "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
            "img-src 'self' data:; frame-ancestors 'none'"
        )
        return page

    assets = StaticFiles(packages=[("fastapi_offline", "static")])
    router.mount(_STATIC, assets)
    return router
