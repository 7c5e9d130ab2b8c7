"""The composition root of the site's addresses."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("batches.api.urls")),
    path("", include("batches.web.urls")),
]
