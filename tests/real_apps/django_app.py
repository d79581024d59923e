"""A Django project in one file, with forms, files and streams: served as `django_app`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not a secret",
    USE_TZ=True,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
)
django.setup()


def index(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("<h1>Grüße aus Django</h1>")
    response["X-Query"] = request.GET.get("q", "-")
    response.set_cookie("first", "1")
    response.set_cookie("second", "2", httponly=True)
    return response


def form(request: HttpRequest) -> HttpResponse:
    return JsonResponse({name: request.POST.getlist(name) for name in sorted(request.POST)})


def upload(request: HttpRequest) -> HttpResponse:
    file = request.FILES["file"]
    digest = hashlib.sha256(b"".join(file.chunks())).hexdigest()
    facts = {"name": file.name, "size": file.size, "sha256": digest}
    return JsonResponse(facts | request.POST.dict())


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def rows() -> Iterator[str]:
        for number in range(1000):
            yield f"{number},{number * number}\n"

    return StreamingHttpResponse(rows(), content_type="text/csv")


def old(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/?q=new")


urlpatterns = [
    path("", index),
    path("form", form),
    path("upload", upload),
    path("stream", stream),
    path("old", old),
]

application = get_wsgi_application()
