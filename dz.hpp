#pragma once
// All of dz that a program which defines and trains a model needs.

#include "graph/basic.hpp"
#include "graph/mode.hpp"
#include "graph/record.hpp"
#include "graph/reverse.hpp"
#include "ops/activation.hpp"
#include "ops/arithmetic.hpp"
#include "ops/creation.hpp"
#include "ops/dropout.hpp"
#include "ops/elementwise.hpp"
#include "ops/loss.hpp"
#include "ops/matrix.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
