/* What CMake would find out about wasm32 of libjpeg-turbo 2.1.5, for its own files. */
#define BUILD "cosmicman"
#define INLINE inline
#define THREAD_LOCAL
#define PACKAGE_NAME "libjpeg-turbo"
#define VERSION "2.1.5"
#define SIZEOF_SIZE_T 4
#define HAVE_BUILTIN_CTZL
#define FALLTHROUGH __attribute__((fallthrough));
