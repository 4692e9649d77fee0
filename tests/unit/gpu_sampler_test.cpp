// SPDX-License-Identifier: Apache-2.0
// What is told of graphics cards, without one: NVML is a library made for the test, opened as the real one is.
#include "telemetry/gpu_sampler.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "support.hpp"
#include "telemetry/nvml.hpp"

namespace faceflow::internal {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const std::string new_nvml = test::program("libfaceflow_fake_nvml_new.so"),
                  old_nvml = test::program("libfaceflow_fake_nvml_old.so");

std::optional<double> of(const gpu_reading& r, gpu_figure f) {
    return r[static_cast<std::size_t>(f)];
}

TEST(nvml, tells_every_figure_in_plain_units) {
    const auto card = open_nvml("0000:01:00.0", new_nvml);
    ASSERT_OK(card);
    const gpu_reading r = (*card)->read();
    EXPECT_EQ(of(r, gpu_figure::busy), 41);
    EXPECT_EQ(of(r, gpu_figure::memory_busy), 21);
    EXPECT_EQ(of(r, gpu_figure::memory_used), 1'000'000'001);
    EXPECT_EQ(of(r, gpu_figure::memory_total), 80e9);
    EXPECT_EQ(of(r, gpu_figure::temperature), 51);
    EXPECT_EQ(of(r, gpu_figure::up), 5001e3) << "what the card received";
    EXPECT_EQ(of(r, gpu_figure::down), 1001e3) << "what the card sent";
    EXPECT_EQ(of(r, gpu_figure::power), 251);
}

TEST(nvml, of_an_old_driver_leaves_out_what_it_cannot_tell) {
    const auto card = open_nvml("0000:01:00.0", old_nvml);
    ASSERT_OK(card);
    const gpu_reading r = (*card)->read();
    EXPECT_EQ(of(r, gpu_figure::busy), 41);
    EXPECT_EQ(of(r, gpu_figure::memory_used), 1'000'000'001);
    EXPECT_EQ(of(r, gpu_figure::temperature), 51);
    EXPECT_EQ(of(r, gpu_figure::up), std::nullopt);
    EXPECT_EQ(of(r, gpu_figure::down), std::nullopt);
    EXPECT_EQ(of(r, gpu_figure::power), std::nullopt);
}

TEST(nvml, of_a_card_that_is_cut_up_or_supports_nothing_leaves_out_everything) {
    for (const char* bus_id : {"0000:02:00.0", "0000:03:00.0"}) {
        const auto card = open_nvml(bus_id, new_nvml);
        ASSERT_OK(card);
        EXPECT_EQ((*card)->read(), gpu_reading{}) << bus_id;
    }
}

TEST(nvml, that_is_missing_or_knows_no_such_card_is_an_error_value) {
    const struct {
        std::string bus_id, library, says;
    } absent[] = {{"0000:01:00.0", "libfaceflow-no-such-nvml.so.1", "libfaceflow-no-such-nvml.so.1"},
                  {"0000:07:00.0", new_nvml, "knows no card at 0000:07:00.0"},
                  {"", old_nvml, "knows no card"},
                  {"0000:01:00.0", "libm.so.6", "lacks its functions"}};
    for (const auto& a : absent) {
        const auto card = open_nvml(a.bus_id, a.library);
        ASSERT_FALSE(card) << a.says;
        EXPECT_EQ(card.error().code, errc::unavailable);
        EXPECT_THAT(card.error().message, HasSubstr(a.says));
    }
}

TEST(nvml, is_shut_down_as_often_as_it_was_started) {
    void* const library = ::dlopen(new_nvml.c_str(), RTLD_NOW);
    ASSERT_NE(library, nullptr);
    const auto users = reinterpret_cast<int (*)()>(::dlsym(library, "fake_nvml_users"));
    {
        const auto one = open_nvml("0000:01:00.0", new_nvml), other = open_nvml("0000:02:00.0", new_nvml);
        EXPECT_EQ(users(), 2);
    }
    static_cast<void>(open_nvml("0000:09:00.0", new_nvml));
    EXPECT_EQ(users(), 0);
    ::dlclose(library);
}

// Readings that a test gives.
class given_readings final : public gpu_readings {
public:
    given_readings(std::vector<gpu_reading> all, std::atomic<std::size_t>& read) : all_(std::move(all)), read_(read) {}
    gpu_reading read() override { return all_[std::min(read_++, all_.size() - 1)]; }

private:
    const std::vector<gpu_reading> all_;
    std::atomic<std::size_t>& read_;
};

gpu_reading busy(std::optional<double> percent) {
    gpu_reading r;
    r[static_cast<std::size_t>(gpu_figure::busy)] = percent;
    return r;
}

TEST(gpu_sampler, gives_mean_and_maximum_over_the_readings_that_had_the_figure) {
    std::atomic<std::size_t> read{0};
    std::vector<gpu_sampler::card> cards;
    cards.push_back({"a card", std::make_unique<given_readings>(
                                   std::vector{busy(10), busy(std::nullopt), busy(70), busy(40)}, read)});
    gpu_sampler sampler(std::move(cards), 1ms);
    while (read < 4)
        std::this_thread::sleep_for(1ms);
    const auto usage = sampler.finish();
    ASSERT_EQ(usage.size(), 1u);
    EXPECT_EQ(usage[0].name, "a card");
    ASSERT_GE(usage[0].readings, 4u);
    const auto n = static_cast<double>(usage[0].readings - 1);  // with the figure: 10, 70, and 40 from then on
    ASSERT_TRUE(usage[0].of(gpu_figure::busy));
    EXPECT_DOUBLE_EQ(usage[0].of(gpu_figure::busy)->max, 70);
    EXPECT_DOUBLE_EQ(usage[0].of(gpu_figure::busy)->mean, (80 + 40 * (n - 2)) / n);
    EXPECT_FALSE(usage[0].of(gpu_figure::power));
}

TEST(gpu_sampler, reads_at_the_end_however_short_the_run_and_knows_cards_that_tell_nothing) {
    std::vector<gpu_sampler::card> cards;
    auto told = open_nvml("0000:01:00.0", new_nvml);
    ASSERT_OK(told);
    cards.push_back({"told", std::move(*told)});
    cards.push_back({"untold", nullptr});
    gpu_sampler sampler(std::move(cards), 1h);
    const auto usage = sampler.finish();
    ASSERT_EQ(usage.size(), 2u);
    EXPECT_EQ(usage[0].readings, 1u);
    EXPECT_DOUBLE_EQ(usage[0].of(gpu_figure::temperature)->mean, 51);
    EXPECT_EQ(usage[1].name, "untold");
    EXPECT_EQ(usage[1].readings, 0u);
    EXPECT_FALSE(usage[1].of(gpu_figure::busy));
}

}  // namespace
}  // namespace faceflow::internal
