/* What CMake would put together of libjpeg-turbo 2.1.5; its messages are never seen. */
#define JVERSION "6b"
#define JCOPYRIGHT "Copyright (C) 1991-2023 The libjpeg-turbo Project and many others"
#define JCOPYRIGHT_SHORT "Copyright (C) 1991-2023 The libjpeg-turbo Project and many others"
