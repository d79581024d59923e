"""Django with Channels, in one file."""

import json

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not a secret",
    INSTALLED_APPS=["channels"],
)
django.setup()


def root(request):
    return JsonResponse({"message": "hello"})


@csrf_exempt
async def create(request):
    return JsonResponse(json.loads(request.body))


async def stream(request):
    async def parts():
        for number in range(3):
            yield f"{number}\n"

    return StreamingHttpResponse(parts())


class Echo(AsyncWebsocketConsumer):
    """Answers each message."""

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=f"echo {text_data}")


urlpatterns = [path("", root), path("items", create), path("stream", stream)]
app = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([path("ws", Echo.as_asgi())]),
    }
)
