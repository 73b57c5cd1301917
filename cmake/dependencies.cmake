# What the library stands on; docs/dependencies.md says why. Each message names Debian's package.

# dz_find(NAME header library package [folder…]): sets NAME_INCLUDE and, unless library is empty, NAME_LIBRARY; folders are
# looked into first.
function(dz_find name header library package)
  find_path(${name}_INCLUDE ${header} PATH_SUFFIXES ${ARGN})
  if(library)
    find_library(${name}_LIBRARY ${library} PATH_SUFFIXES ${ARGN})
  endif()
  mark_as_advanced(${name}_INCLUDE ${name}_LIBRARY)
  if(NOT ${name}_INCLUDE OR (library AND NOT ${name}_LIBRARY))
    message(FATAL_ERROR "dz needs ${header}: install ${package} (script/bootstrap installs everything).")
  endif()
endfunction()

if(DZ_OPENMP)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
endif()
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(fmt 9 REQUIRED)
find_package(ZLIB REQUIRED)
dz_find(DZ_ONEDNN dnnl.hpp dnnl libdnnl-dev)
dz_find(DZ_RANDOM123 Random123/philox.h "" librandom123-dev)
if(DZ_HDF5)
  dz_find(DZ_HDF5 hdf5.h hdf5 libhdf5-dev hdf5/serial)
endif()
if(DZ_PICTURES)
  dz_find(DZ_PNG png.h png libpng-dev)
  dz_find(DZ_JPEG turbojpeg.h turbojpeg libturbojpeg0-dev)
endif()

# Debian's pthread and OpenMP builds of OpenBLAS share one soname, and the system's alternatives choose between them at load time.
# The pthread one would start a second pool of threads beside OpenMP's; so the folder of the OpenMP build goes into libdz's
# run path, where the loader looks first.
dz_find(DZ_OPENBLAS cblas.h openblas libopenblas-openmp-dev openblas-openmp ${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp)
get_filename_component(DZ_OPENBLAS_FOLDER ${DZ_OPENBLAS_LIBRARY} DIRECTORY)
if(NOT DZ_OPENBLAS_FOLDER MATCHES "openmp")
  message(STATUS "dz: using ${DZ_OPENBLAS_LIBRARY}; if this is not an OpenMP build of OpenBLAS, its threads and dz's compete")
endif()

# Only Boost's headers are seen by those who include dz's. Library paths instead of names keep the choice above.
function(dz_link_dependencies target)
  target_link_libraries(${target}
    PUBLIC Boost::headers
    PRIVATE Boost::json fmt::fmt ZLIB::ZLIB ${DZ_ONEDNN_LIBRARY} ${DZ_OPENBLAS_LIBRARY})
  target_include_directories(${target} SYSTEM PRIVATE ${DZ_OPENBLAS_INCLUDE} ${DZ_ONEDNN_INCLUDE} ${DZ_RANDOM123_INCLUDE})
  if(DZ_OPENMP)
    target_link_libraries(${target} PRIVATE OpenMP::OpenMP_CXX)
  endif()
  if(DZ_HDF5)
    target_link_libraries(${target} PRIVATE ${DZ_HDF5_LIBRARY})
    target_include_directories(${target} SYSTEM PRIVATE ${DZ_HDF5_INCLUDE})
    target_compile_definitions(${target} PRIVATE DZ_WITH_HDF5=1)
  endif()
  if(DZ_PICTURES)
    target_link_libraries(${target} PRIVATE ${DZ_PNG_LIBRARY} ${DZ_JPEG_LIBRARY})
    target_include_directories(${target} SYSTEM PRIVATE ${DZ_PNG_INCLUDE} ${DZ_JPEG_INCLUDE})
    target_compile_definitions(${target} PRIVATE DZ_WITH_PICTURES=1)
  endif()
endfunction()
