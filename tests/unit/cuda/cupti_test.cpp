// SPDX-License-Identifier: Apache-2.0
// The driver's records, without a driver: CUPTI is a library made for the test, opened as the real one is.
#include "device/cuda/cupti.hpp"

#include <cupti.h>
#include <dlfcn.h>
#include <gmock/gmock.h>

#include "support.hpp"

namespace faceflow::internal {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::vector<std::string> fake{test::program("libfaceflow_fake_cupti.so")};

class cupti_records : public testing::Test {
protected:
    void TearDown() override {
        set_(0, SIZE_MAX, CUPTI_SUCCESS);
        ::dlclose(library_);
    }
    template <class F>
    F function(const char* name) const {
        return reinterpret_cast<F>(::dlsym(library_, name));
    }

    void* const library_ = ::dlopen(fake.front().c_str(), RTLD_NOW);
    void (*const copy_)(int, std::uint64_t,
                        std::uint32_t) = function<void (*)(int, std::uint64_t, std::uint32_t)>("fake_cupti_copy");
    void (*const sync_)(int, std::uint32_t,
                        std::uint32_t) = function<void (*)(int, std::uint32_t, std::uint32_t)>("fake_cupti_sync");
    void (*const call_)(std::uint32_t,
                        std::uint32_t) = function<void (*)(std::uint32_t, std::uint32_t)>("fake_cupti_call");
    void (*const other_)() = function<void (*)()>("fake_cupti_other");
    void (*const set_)(std::size_t, std::size_t,
                       int) = function<void (*)(std::size_t, std::size_t, int)>("fake_cupti_set");
    int (*const enabled_)() = function<int (*)()>("fake_cupti_enabled");
};

TEST_F(cupti_records, are_counted_by_device_direction_and_context) {
    const auto c = cupti::open(fake);
    ASSERT_OK(c);
    EXPECT_EQ((*c)->seen(0, 7), transfer_totals{});
    copy_(CUPTI_ACTIVITY_MEMCPY_KIND_HTOD, 3'110'400, 0);
    copy_(CUPTI_ACTIVITY_MEMCPY_KIND_HTOD, 100, 0);
    copy_(CUPTI_ACTIVITY_MEMCPY_KIND_DTOH, 47'152, 0);
    copy_(CUPTI_ACTIVITY_MEMCPY_KIND_DTOD, 5, 0);
    copy_(CUPTI_ACTIVITY_MEMCPY_KIND_HTOH, 6, 0);
    copy_(CUPTI_ACTIVITY_MEMCPY_KIND_HTOD, 9, 1);
    other_();
    call_(CUPTI_RUNTIME_TRACE_CBID_cudaEventSynchronize_v3020, 1);
    call_(CUPTI_RUNTIME_TRACE_CBID_cudaStreamSynchronize_v3020, 2);
    call_(CUPTI_RUNTIME_TRACE_CBID_cudaStreamWaitEvent_v3020, 3);
    call_(CUPTI_RUNTIME_TRACE_CBID_cudaDeviceSynchronize_v3020, 4);
    sync_(CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_EVENT_SYNCHRONIZE, 7, 1);
    sync_(CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_STREAM_SYNCHRONIZE, 7, 2);
    sync_(CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_STREAM_WAIT_EVENT, 7, 3);
    sync_(CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_CONTEXT_SYNCHRONIZE, 8, 4);
    EXPECT_EQ((*c)->seen(0, 7), (transfer_totals{{2, 3'110'500}, {1, 47'152}, 2, 0}));
    EXPECT_EQ((*c)->seen(1, 8), (transfer_totals{{1, 9}, {0, 0}, 1, 0}));
    copy_(CUPTI_ACTIVITY_MEMCPY_KIND_DTOH, 1, 0);
    EXPECT_EQ((*c)->seen(0, 7), (transfer_totals{{2, 3'110'500}, {2, 47'153}, 2, 0})) << "so far";
}

TEST_F(cupti_records, of_questions_and_of_what_libraries_ask_of_the_driver_are_no_waits) {
    const auto c = cupti::open(fake);
    ASSERT_OK(c);
    constexpr int of_event = CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_EVENT_SYNCHRONIZE;
    sync_(of_event, 7, 1);
    EXPECT_EQ((*c)->seen(0, 7).syncs, 0u) << "no call of the runtime's, so far";
    call_(CUPTI_RUNTIME_TRACE_CBID_cudaEventSynchronize_v3020, 1);
    EXPECT_EQ((*c)->seen(0, 7).syncs, 1u);
    sync_(of_event, 7, 2);
    call_(CUPTI_RUNTIME_TRACE_CBID_cudaEventQuery_v3020, 2);
    call_(CUPTI_RUNTIME_TRACE_CBID_cudaEventQuery_v3020, 3);
    sync_(of_event, 7, 3);
    sync_(CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_STREAM_SYNCHRONIZE, 7, 4);
    sync_(CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_STREAM_SYNCHRONIZE, 7, 5);
    call_(CUPTI_RUNTIME_TRACE_CBID_cudaMemcpy_v3020, 5);
    EXPECT_EQ((*c)->seen(0, 7).syncs, 2u);
}

TEST_F(cupti_records, come_in_as_many_buffers_as_it_takes) {
    const auto c = cupti::open(fake);
    ASSERT_OK(c);
    set_(0, 400, CUPTI_SUCCESS);
    for (int i = 0; i < 50; ++i)
        copy_(CUPTI_ACTIVITY_MEMCPY_KIND_HTOD, 10, 0);
    EXPECT_EQ((*c)->seen(0, 0).up, (transfer_totals::moved{50, 500}));
}

TEST_F(cupti_records, that_were_dropped_or_make_no_sense_are_told_of) {
    const auto c = cupti::open(fake);
    ASSERT_OK(c);
    copy_(CUPTI_ACTIVITY_MEMCPY_KIND_UNKNOWN, 10, 0);
    set_(4, SIZE_MAX, CUPTI_SUCCESS);
    EXPECT_EQ((*c)->seen(0, 0).unknown, 5u);
    EXPECT_EQ((*c)->seen(0, 0).unknown, 5u) << "once";
}

TEST_F(cupti_records, are_taken_by_one_recorder_for_the_process_while_it_lives) {
    {
        const auto one = cupti::open(fake), other = cupti::open(fake);
        ASSERT_OK(one);
        ASSERT_OK(other);
        EXPECT_EQ(*one, *other);
        EXPECT_EQ(enabled_(), 3) << "copies, waits and calls";
    }
    EXPECT_EQ(enabled_(), 0);
    const auto again = cupti::open(fake);
    ASSERT_OK(again);
    copy_(CUPTI_ACTIVITY_MEMCPY_KIND_HTOD, 10, 0);
    EXPECT_EQ((*again)->seen(0, 0).up.count, 1u);
}

TEST_F(cupti_records, name_the_context_they_are_of) {
    const auto c = cupti::open(fake);
    ASSERT_OK(c);
    EXPECT_EQ((*c)->id_of(reinterpret_cast<CUcontext>(std::uintptr_t{42})), 42u);
    EXPECT_FALSE((*c)->id_of(nullptr));
}

TEST_F(cupti_records, that_cannot_be_had_are_an_error_value) {
    const std::vector<std::string> absent{"libfaceflow-no-such-cupti.so", "libnor-such-one.so"}, stranger{"libm.so.6"};
    const auto none = cupti::open(absent), strange = cupti::open(stranger);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, errc::unavailable);
    EXPECT_THAT(none.error().message, AllOf(HasSubstr("libfaceflow-no-such-cupti.so"), HasSubstr("LD_LIBRARY_PATH")));
    ASSERT_FALSE(strange);
    EXPECT_THAT(strange.error().message, HasSubstr("is no CUPTI"));
    set_(0, SIZE_MAX, CUPTI_ERROR_INSUFFICIENT_PRIVILEGES);
    const auto refused = cupti::open(fake);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, AllOf(HasSubstr("cuptiActivityEnable failed"), HasSubstr("OF_THE_TEST")));
}

// The real library, where the toolkit has one: it starts, or says why it does not.
TEST(cupti_of_the_toolkit, starts_or_is_an_error_value) {
    const auto c = cupti::open();
    if (c) {
        EXPECT_EQ((*c)->seen(0, 0).up.count, 0u);
    } else {
        EXPECT_EQ(c.error().code, errc::unavailable);
        EXPECT_THAT(c.error().message, HasSubstr("CUPTI"));
    }
}

}  // namespace
}  // namespace faceflow::internal
