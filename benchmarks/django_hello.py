"""Hello world in Django, with what needs no database of a new project's middleware."""

from __future__ import annotations

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for the benchmark",
)


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Hello, World!")


urlpatterns = [path("", hello)]

app = get_wsgi_application()
