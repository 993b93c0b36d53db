def posts(request):
    raise NotImplementedError
