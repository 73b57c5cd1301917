# The command dz, the tests, the examples and the benchmarks: each from the .cpp files of its folder, where there are any.

function(dz_add_program target)
  add_executable(${target} ${ARGN})
  dz_own_settings(${target})
  target_link_libraries(${target} PRIVATE dz::dz)
endfunction()

# The tool is a library and its main(), so that tests can reach its parts.
if(DZ_BUILD_TOOL)
  file(GLOB sources CONFIGURE_DEPENDS tools/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/tools/main.cpp$")
  find_package(Boost 1.81 REQUIRED COMPONENTS program_options)
  add_library(dz_tool_parts STATIC ${sources})
  dz_own_settings(dz_tool_parts)
  target_include_directories(dz_tool_parts PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(dz_tool_parts PUBLIC dz::dz Boost::program_options Boost::json fmt::fmt ZLIB::ZLIB)
  dz_add_program(dz_tool tools/main.cpp)
  target_link_libraries(dz_tool PRIVATE dz_tool_parts)
  target_compile_definitions(dz_tool PRIVATE DZ_VERSION="${PROJECT_VERSION}")
  set_target_properties(dz_tool PROPERTIES OUTPUT_NAME dz)
endif()

if(DZ_BUILD_TESTS)
  enable_testing()
  find_package(Catch2 REQUIRED)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS tests/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/tests/(install|fuzz|quality)/")
  if(NOT TARGET dz_tool)
    list(FILTER sources EXCLUDE REGEX "/tests/tools/")
  endif()
  dz_add_program(dz_tests ${sources})
  target_include_directories(dz_tests PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(dz_tests PRIVATE dz::testing Catch2::Catch2)
  string(REGEX MATCH "^[0-9]+" catch2_major "${Catch2_VERSION}")
  target_compile_definitions(dz_tests PRIVATE DZ_CATCH2=${catch2_major} DZ_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                             DZ_BINARY_DIR="${PROJECT_BINARY_DIR}")
  if(TARGET dz_tool)
    add_dependencies(dz_tests dz_tool)  # which they run
    target_link_libraries(dz_tests PRIVATE dz_tool_parts)
  endif()
  add_test(NAME tests COMMAND dz_tests)
  set_tests_properties(tests PROPERTIES LABELS unit TIMEOUT 3600)

  # How good the gradient check is; the whole of it is script/gradcheck-quality.
  file(GLOB sources CONFIGURE_DEPENDS tests/quality/*.cpp tests/ops/table.cpp tests/ops/rows_*.cpp)
  dz_add_program(dz_gradcheck_quality ${sources})
  target_include_directories(dz_gradcheck_quality PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(dz_gradcheck_quality PRIVATE dz::testing)

  # Not in a sanitizer's build: the consumer would have to be built with it too.
  if(NOT DZ_SANITIZE AND BUILD_SHARED_LIBS)
    foreach(how cmake pkg-config)
      add_test(NAME install_${how}
               COMMAND ${PROJECT_SOURCE_DIR}/tests/install/run ${how} ${PROJECT_BINARY_DIR} ${CMAKE_CXX_COMPILER} ${DZ_OPENBLAS_FOLDER})
      set_tests_properties(install_${how} PROPERTIES TIMEOUT 600)
    endforeach()
  endif()
endif()

if(DZ_BUILD_EXAMPLES)
  file(GLOB sources CONFIGURE_DEPENDS examples/*.cpp)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    dz_add_program(example_${name} ${source})
    if(DZ_BUILD_TESTS)
      add_test(NAME example_${name} COMMAND example_${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
      # An example that lacks its data prints "skipped: <why>" and returns 77.
      set_tests_properties(example_${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)
    endif()
  endforeach()
endif()

if(DZ_BUILD_BENCH)
  file(GLOB sources CONFIGURE_DEPENDS bench/*.cpp)
  if(sources)
    dz_add_program(dz_bench ${sources})
  endif()
endif()

# Fuzz targets: built with Clang and the sanitizers, by the preset fuzz.
if(DZ_BUILD_FUZZ)
  dz_add_program(dz_fuzz_seeds tests/fuzz/seeds.cpp)
  target_include_directories(dz_fuzz_seeds PRIVATE ${PROJECT_SOURCE_DIR})
  dz_add_program(dz_fuzz tests/fuzz/targets.cpp)
  target_link_libraries(dz_fuzz PRIVATE dz_tool_parts)
  target_link_options(dz_fuzz PRIVATE -fsanitize=fuzzer)
endif()
