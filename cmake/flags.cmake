# How our own code is compiled. Nothing of this reaches those who use the library.
include(CheckCXXCompilerFlag)

# dz's own loops share their work by OpenMP, except where another OpenMP runtime would meet the libgomp that oneDNN and OpenBLAS
# bring: Clang links libomp, and the thread sanitizer understands neither.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT DZ_SANITIZE MATCHES "thread")
  set(default_openmp ON)
else()
  set(default_openmp OFF)
endif()
option(DZ_OPENMP "Run dz's own loops on several threads" ${default_openmp})

# Vectors wider than the default instruction set are passed between our own inline functions only, so their ABI does not matter.
set(DZ_WARNINGS -Wall -Wextra -Wpedantic -Wconversion -Wno-psabi)
if(NOT DZ_OPENMP)
  list(APPEND DZ_WARNINGS -Wno-unknown-pragmas)
endif()
if(DZ_WERROR)
  list(APPEND DZ_WARNINGS -Werror)
endif()

# A few thread-locals stand on the hottest path; initial-exec reads them without a call. The library calls itself directly.
set(DZ_LIBRARY_FLAGS -fvisibility-inlines-hidden -ftls-model=initial-exec)
check_cxx_compiler_flag(-fno-semantic-interposition DZ_HAS_NO_SEMANTIC_INTERPOSITION)
if(DZ_HAS_NO_SEMANTIC_INTERPOSITION)
  list(APPEND DZ_LIBRARY_FLAGS -fno-semantic-interposition)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND DZ_LIBRARY_FLAGS -fno-devirtualize-speculatively)  # a node's virtual function has a body for every operation: no guess at it is right
endif()

# Loops vectorise only where errno and traps need not be kept. Values stay exact: -ffast-math is used nowhere.
set(DZ_KERNEL_FLAGS -fno-math-errno -fno-trapping-math)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  list(PREPEND DZ_KERNEL_FLAGS -O3)
endif()

set(DZ_SANITIZE_FLAGS)
if(DZ_SANITIZE)
  set(DZ_SANITIZE_FLAGS -fsanitize=${DZ_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
endif()

# For every target of this project.
function(dz_own_settings target)
  target_compile_options(${target} PRIVATE ${DZ_WARNINGS} ${DZ_SANITIZE_FLAGS})
  target_link_options(${target} PRIVATE ${DZ_SANITIZE_FLAGS})
endfunction()

# For the library and the objects it is made of.
function(dz_library_settings target)
  dz_own_settings(${target})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_options(${target} PRIVATE ${DZ_LIBRARY_FLAGS})
  target_link_options(${target} PRIVATE -Wl,-Bsymbolic-functions)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}
                             PUBLIC $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  if(DZ_SANITIZE)
    target_compile_definitions(${target} PUBLIC DZ_POOL=0)  # every piece of memory is the system's own, so that sanitizers see it
  endif()
  if(NOT DZ_OPENMP)
    target_compile_definitions(${target} PRIVATE DZ_LOOP_THREADS=1)
  endif()
  dz_link_dependencies(${target})
endfunction()
