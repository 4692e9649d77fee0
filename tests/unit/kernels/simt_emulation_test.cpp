// SPDX-License-Identifier: Apache-2.0
// The emulation notices what a card would hang on, or answer with what nobody wrote.
#include <cmath>

#include "helpers/emulated_kernels.hpp"
#include "kernel_testing.hpp"

namespace faceflow::internal {
namespace {

namespace kernels = inference::kernels;
using emulation::grid;
using emulation::order;
using kernels::half2;
using kernels::half8;

class simt_emulation : public testing::Test {
protected:
    void SetUp() override { SKIP_WITHOUT_EMULATION(); }
};

struct values {
    float* out;
};

// Each thread hands its number to its neighbour through shared memory.
struct passing_on {
    using parameters = values;
    static void run(const parameters& p) {
        auto* const shared = reinterpret_cast<float*>(kernels::shared_memory());
        const int t = kernels::thread();
        shared[t] = static_cast<float>(t);
        kernels::barrier();
        p.out[(kernels::block_y() * kernels::blocks_x() + kernels::block_x()) * 64 + t] = shared[(t + 1) % 64];
    }
};

TEST_F(simt_emulation, threads_of_a_block_share_memory_behind_a_barrier) {
    for (const order o : {order::forwards, order::backwards}) {
        std::vector<float> out(6 * 64);
        ASSERT_OK(emulation::run<passing_on>({3, 2, 64, 256}, {out.data()}, o));
        for (std::size_t i = 0; i < out.size(); ++i)
            EXPECT_EQ(out[i], static_cast<float>((i + 1) % 64));
    }
}

struct without_barrier {
    using parameters = values;
    static void run(const parameters& p) {
        auto* const shared = reinterpret_cast<float*>(kernels::shared_memory());
        const int t = kernels::thread();
        shared[t] = static_cast<float>(t);
        p.out[t] = shared[(t + 1) % 32];
    }
};

TEST_F(simt_emulation, what_another_thread_has_not_written_yet_is_not_a_number) {
    std::vector<float> out(32);
    ASSERT_OK(emulation::run<without_barrier>({1, 1, 32, 128}, {out.data()}));
    EXPECT_TRUE(std::isnan(out[0]));
    ASSERT_OK(emulation::run<without_barrier>({1, 1, 32, 128}, {out.data()}, order::backwards));
    EXPECT_TRUE(std::isnan(out[31]));
}

struct barrier_for_some {
    using parameters = values;
    static void run(const parameters&) {
        if (kernels::thread() < 40) kernels::barrier();
    }
};

TEST_F(simt_emulation, a_barrier_that_not_all_reach_is_an_error) {
    const auto outcome = emulation::run<barrier_for_some>({2, 1, 64, 0}, {nullptr});
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().message,
              "block 0, 0: 40 threads wait at a barrier and 0 for others of their warp, while 24 have ended");
}

struct different_things {
    using parameters = values;
    static void run(const parameters& p) {
        float sums[4] = {};
        const half2 a[4] = {};
        if (kernels::thread() % 2 == 0)
            p.out[kernels::thread()] = kernels::exchange_xor(1, 1);
        else
            kernels::multiply(sums, a, 0, 0);
    }
};

TEST_F(simt_emulation, threads_of_a_warp_that_differ_in_what_they_do_together_are_an_error) {
    std::vector<float> out(32);
    const auto outcome = emulation::run<different_things>({1, 1, 32, 0}, {out.data()});
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().message, "block 0, 0: threads of a warp differ in what they do together");
}

struct shuffle_for_some {
    using parameters = values;
    static void run(const parameters& p) {
        if (kernels::thread() != 5) p.out[kernels::thread()] = kernels::exchange_xor(1, 1);
    }
};

TEST_F(simt_emulation, a_thread_that_its_warp_waits_for_in_vain_is_an_error) {
    std::vector<float> out(32);
    EXPECT_FALSE(emulation::run<shuffle_for_some>({1, 1, 32, 0}, {out.data()}));
}

struct beyond_the_end {
    using parameters = values;
    static void run(const parameters&) {
        // As bytes: AddressSanitizer sees the same write by itself.
        if (kernels::thread() == 3) kernels::shared_memory()[64] = std::byte{1};
    }
};

TEST_F(simt_emulation, a_write_beyond_shared_memory_is_an_error) {
    if (test::sanitized) GTEST_SKIP() << "AddressSanitizer ends the program there";
    EXPECT_FALSE(emulation::run<beyond_the_end>({1, 1, 32, 64}, {nullptr}));
}

struct misaligned {
    using parameters = values;
    static void run(const parameters& p) {
        auto* const at = reinterpret_cast<const std::uint16_t*>(kernels::shared_memory()) + kernels::thread();
        p.out[kernels::thread()] = kernels::first_of(kernels::load(reinterpret_cast<const half8*>(at)).x);
    }
};

TEST_F(simt_emulation, a_wide_word_at_an_odd_place_is_an_error) {
    std::vector<float> out(32);
    EXPECT_FALSE(emulation::run<misaligned>({1, 1, 32, 512}, {out.data()}));
}

struct copies {
    const half8* from;
    float* out;
    bool waits;
};
struct copying {
    using parameters = copies;
    static void run(const parameters& p) {
        auto* const shared = reinterpret_cast<half8*>(kernels::shared_memory());
        const int t = kernels::thread();
        kernels::copy_async_if(t != 7, shared + t, p.from + t);
        if (p.waits) kernels::wait_for_copies();
        kernels::barrier();
        p.out[t] = kernels::first_of(kernels::load(shared + t).x);
    }
};

TEST_F(simt_emulation, copies_arrive_when_they_are_waited_for) {
    std::vector<half8> from(32, half8{kernels::pack(3, 4), 0, 0, 0});
    std::vector<float> out(32);
    ASSERT_OK(emulation::run<copying>({1, 1, 32, 512}, {from.data(), out.data(), true}));
    EXPECT_EQ(out[6], 3);
    EXPECT_EQ(out[7], 0);
    ASSERT_OK(emulation::run<copying>({1, 1, 32, 512}, {from.data(), out.data(), false}));
    EXPECT_TRUE(std::isnan(out[6]));
}

// 16 x 16 by 16 x 8, with what each thread holds of them as PTX's manual has it.
struct products {
    const float *a, *b;
    float* c;
};
struct product {
    using parameters = products;
    static void run(const parameters& p) {
        const int lane = kernels::thread(), r = lane / 4, q = lane % 4;
        const auto a = [&](int row, int column) { return p.a[row * 16 + column]; };
        const auto b = [&](int row, int column) { return p.b[row * 8 + column]; };
        half2 pixels[4];
        for (int i = 0; i < 4; ++i) {
            const int row = r + i % 2 * 8, column = q * 2 + i / 2 * 8;
            pixels[i] = kernels::pack(a(row, column), a(row, column + 1));
        }
        float sums[4] = {};
        kernels::multiply(sums, pixels, kernels::pack(b(q * 2, r), b(q * 2 + 1, r)),
                          kernels::pack(b(q * 2 + 8, r), b(q * 2 + 9, r)));
        for (int i = 0; i < 4; ++i)
            p.c[(r + i / 2 * 8) * 8 + q * 2 + i % 2] = sums[i];
    }
};

TEST_F(simt_emulation, products_are_those_of_matrices) {
    std::vector<float> a(256), b(128), c(128);
    for (std::size_t i = 0; i < a.size(); ++i)
        a[i] = static_cast<float>(i % 13) - 6;
    for (std::size_t i = 0; i < b.size(); ++i)
        b[i] = static_cast<float>(i % 7) - 3;
    ASSERT_OK(emulation::run<product>({1, 1, 32, 0}, {a.data(), b.data(), c.data()}));
    for (std::size_t m = 0; m < 16; ++m)
        for (std::size_t n = 0; n < 8; ++n) {
            float sum = 0;
            for (std::size_t k = 0; k < 16; ++k)
                sum += a[m * 16 + k] * b[k * 8 + n];
            EXPECT_EQ(c[m * 8 + n], sum);
        }
}

TEST(halves, every_one_comes_back_from_a_float) {
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        const float v = float_of_half(static_cast<std::uint16_t>(bits));
        if (std::isnan(v)) continue;
        EXPECT_EQ(half_bits(v), bits) << v;
    }
}

TEST(halves, floats_between_them_go_to_the_nearest_and_halfway_to_the_even) {
    for (std::uint32_t bits = 0; bits < 0x7bff; ++bits) {
        const auto low = static_cast<std::uint16_t>(bits), high = static_cast<std::uint16_t>(bits + 1);
        const float a = float_of_half(low), b = float_of_half(high), middle = a + (b - a) / 2;
        EXPECT_EQ(half_bits(std::nextafter(middle, a)), low) << middle;
        EXPECT_EQ(half_bits(std::nextafter(middle, b)), high) << middle;
        EXPECT_EQ(half_bits(middle), bits % 2 == 0 ? low : high) << middle;
    }
    EXPECT_EQ(half_bits(65519.f), 0x7bff);
    EXPECT_EQ(half_bits(65520.f), 0x7c00);
    EXPECT_EQ(half_bits(-1e30f), 0xfc00);
}

}  // namespace
}  // namespace faceflow::internal
