/* The arguments of every kernel by name: call->array[CONV_X], call->scalar[CONV_SLOPE].
 *
 * arguments.py has the same names in the same order, and marks the arrays that may be missing: their data is
 * NULL. tests/kernels/test_arguments.py compares the two files. The tag of an enum is the kernel's name. The
 * other forms of a convolution (conv2d_thin, fast_conv2d, ...) have the arguments of the convolution.
 */
#ifndef NUMGAN_ARGUMENTS_H
#define NUMGAN_ARGUMENTS_H

/* Products: gemm.h, conv.h, thin.h, fast.h */
enum matmul_arrays { MATMUL_A, MATMUL_B, MATMUL_BIAS, MATMUL_C, MATMUL_GATE };
enum matmul_scalars { MATMUL_SLOPE };
enum matvec_arrays { MATVEC_A, MATVEC_B, MATVEC_BIAS, MATVEC_C };
enum conv2d_arrays { CONV_X, CONV_W, CONV_BIAS, CONV_Y, CONV_GATE };
enum conv2d_scalars { CONV_SLOPE };
enum conv2d_input_gradient_arrays { CONVDX_DY, CONVDX_W, CONVDX_BIAS, CONVDX_DX, CONVDX_GATE };
enum conv2d_input_gradient_scalars { CONVDX_SLOPE };
enum conv2d_weight_gradient_arrays { CONVDW_X, CONVDW_DY, CONVDW_DW };

/* Pooling: pool.h */
enum max_pool2d_arrays { POOL_X, POOL_Y, POOL_INDEX };
enum max_pool2d_gradient_arrays { POOLDX_DY, POOLDX_INDEX, POOLDX_DX };

/* Updates: update.h. `finite` has one element for each share. */
enum adam_arrays { ADAM_P, ADAM_G, ADAM_M, ADAM_V, ADAM_FINITE };
enum adam_scalars {
    ADAM_RATE,  /* lr / (1 - beta1^step) */
    ADAM_BETA1,
    ADAM_BETA2,
    ADAM_SCALE, /* 1 / sqrt(1 - beta2^step) */
    ADAM_EPS,
    ADAM_WEIGHT_DECAY,
    ADAM_CLIP
};
enum rmsprop_arrays { RMSPROP_P, RMSPROP_G, RMSPROP_V, RMSPROP_FINITE };
enum rmsprop_scalars { RMSPROP_LR, RMSPROP_DECAY, RMSPROP_EPS, RMSPROP_WEIGHT_DECAY, RMSPROP_CLIP };
enum sgd_arrays { SGD_P, SGD_G, SGD_M, SGD_FINITE };
enum sgd_scalars { SGD_MOMENTUM, SGD_OF_M, SGD_OF_G, SGD_WEIGHT_DECAY, SGD_CLIP }; /* step: of_m m + of_g g */
enum moving_average_arrays { AVERAGE_AVERAGE, AVERAGE_P };
enum moving_average_scalars { AVERAGE_DECAY };
enum all_finite_arrays { FINITE_X, FINITE_FINITE };

/* Rows of channels: normalize.h. `partial`, in double precision, has one row for each block of `rows` rows
 * of x. */
enum channel_moments_arrays { MOMENTS_X, MOMENTS_PARTIAL };
enum channel_moments_scalars { MOMENTS_ROWS };
enum pool_moments_arrays { POOLED_MEAN, POOLED_VARIANCE, POOLED_PARTIAL };
enum pool_moments_scalars { POOLED_ROWS, POOLED_TOTAL }; /* total: rows of all blocks together */
enum normalize_arrays { NORM_X, NORM_MEAN, NORM_SCALE, NORM_BIAS, NORM_Y };
enum normalize_scalars { NORM_SLOPE };
enum channel_products_arrays {
    PRODUCTS_DY,
    PRODUCTS_X,
    PRODUCTS_MEAN,
    PRODUCTS_SCALE,
    PRODUCTS_BIAS,
    PRODUCTS_PARTIAL
};
enum channel_products_scalars { PRODUCTS_ROWS, PRODUCTS_SLOPE };
enum normalize_gradient_arrays {
    NORMDX_DY,
    NORMDX_X,
    NORMDX_MEAN,
    NORMDX_SCALE,
    NORMDX_CENTRE,
    NORMDX_SHARE,
    NORMDX_BIAS,
    NORMDX_DX
};
enum normalize_gradient_scalars { NORMDX_SLOPE };
enum column_sum_arrays { COLUMNS_X, COLUMNS_PARTIAL };
enum column_sum_scalars { COLUMNS_ROWS };

/* Activations: pointwise.h */
enum leaky_relu_arrays { LEAKY_X, LEAKY_Y };
enum leaky_relu_scalars { LEAKY_SLOPE };
enum leaky_relu_gradient_arrays { LEAKYDX_DY, LEAKYDX_Y, LEAKYDX_DX };
enum leaky_relu_gradient_scalars { LEAKYDX_SLOPE };
enum add_arrays { ADD_ONE, ADD_TWO, ADD_OUT };

/* The measurement of the peak: peak.h */
enum peak_arrays { PEAK_SUMS, PEAK_PRODUCTS };
enum peak_scalars { PEAK_STEPS };

#endif
