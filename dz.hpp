#pragma once
// All of dz that a program which defines and trains a model needs.

#include <dz/graph/basic.hpp>
#include <dz/graph/mode.hpp>
#include <dz/graph/record.hpp>
#include <dz/graph/reverse.hpp>
#include <dz/models/initialise.hpp>
#include <dz/models/linear.hpp>
#include <dz/models/mlp.hpp>
#include <dz/models/parameter.hpp>
#include <dz/models/parameters.hpp>
#include <dz/ops/activation.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/control.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/dropout.hpp>
#include <dz/ops/einsum.hpp>
#include <dz/ops/elementwise.hpp>
#include <dz/ops/linear_algebra.hpp>
#include <dz/ops/loss.hpp>
#include <dz/ops/math.hpp>
#include <dz/ops/matrix.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/ops/shape.hpp>
#include <dz/optim/gradient_descent.hpp>
