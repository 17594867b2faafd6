"""The web application: the pages that are found, their middleware, and the error handlers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI

from robo_rlhf import __version__
from teleop.station import api
from teleop.station.services import Station
from teleop.station.web import error_pages, pages
from teleop.station.web.auth import anybody_signed_in
from teleop.station.web.limits import Limits
from teleop.station.web.security import Security
from teleop.station.web.templates import VersionedFiles


def create_app(station: Station) -> FastAPI:
    """Return the application of a station; the caller closes the station afterwards."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await station.start()
        try:
            yield
        finally:
            await station.stop()

    app = FastAPI(
        title="robo-rlhf station",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # its page fetches scripts from elsewhere
        redoc_url=None,
        openapi_url=None,
    )
    app.state.station = station
    error_pages.install(app)
    app.add_middleware(Limits)
    app.add_middleware(Security, station=station)  # outermost: what is added last
    for module in pages.modules():
        app.router.routes.extend(getattr(module, "ROUTES", ()))  # before all others: they are asked for most
    for module in pages.modules():
        guards = [] if getattr(module, "PUBLIC", False) else [Depends(anybody_signed_in)]
        app.include_router(module.router, dependencies=guards)
    for module in api.modules():
        app.include_router(module.router, dependencies=[Depends(anybody_signed_in)])
    app.mount("/static", VersionedFiles(), name="static")
    return app
