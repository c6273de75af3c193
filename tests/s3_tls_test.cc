// TLS and proxies between volstream and the real S3 server. What ends TLS with other certificates
// than the server's, and what stands for a company's proxy, is tests/support/relay.py.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <string>
#include <vector>

#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/rgw.h"
#include "tests/support/sockets.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

// tests/support/relay.py while it runs.
class Relay {
 public:
  Relay(const std::string& mode, const std::vector<std::string>& args)
      : port_(std::to_string(RefusingPort())), command_({"python3", VOLSTREAM_RELAY, mode, port_}) {
    for (const std::string& arg : args) command_.Arg(arg);
    command_.Start();
    EXPECT_TRUE(command_.WaitForStderr("ready"));
  }

  const std::string& port() const { return port_; }
  // Ends it; what it said of its clients.
  std::string Said() {
    command_.Signal(SIGKILL);
    return command_.Wait().err;
  }

 private:
  const std::string port_;
  Command command_;
};

class S3Tls : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(mkdir((directory_ / "volume").c_str(), 0755), 0);
    WriteFile(directory_ / "volume/file", "contents");
  }

  std::string Url() const { return "s3://" + bucket_ + "/p/"; }
  static std::string PortOf(const std::string& endpoint) {
    return endpoint.substr(endpoint.rfind(':') + 1);
  }

  // At this endpoint, trusting the test's CA.
  Command At(const std::string& endpoint, std::vector<std::string> args) const {
    Command command = rgw_.Volstream(std::move(args));
    command.Env("AWS_ENDPOINT_URL", endpoint).Env("AWS_CA_BUNDLE", rgw_.ca_file());
    return command;
  }
  Command Backup(const std::string& endpoint, const std::string& name = "volume") const {
    return At(endpoint,
              {"backup", directory_ / "volume", "--to", Url(), "--name", name, "--retries", "2"});
  }

  // NAME.pem and NAME.key in the test's directory, by the test's CA.
  void MakeCertificate(const std::string& name, const std::string& host,
                       const std::string& days = "30") const {
    const std::string base = directory_ / name;
    const std::string ca = rgw_.ca_file();
    Expect0(Command({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + host, "-keyout",
                     base + ".key", "-out", base + ".csr"}));
    WriteFile(base + ".ext", "subjectAltName = DNS:" + host + "\n");
    Expect0(Command({"openssl", "x509", "-req", "-in", base + ".csr", "-CA", ca, "-CAkey",
                     ca.substr(0, ca.rfind('.')) + ".key", "-set_serial", "7", "-days", days,
                     "-extfile", base + ".ext", "-out", base + ".pem"}));
  }
  static void Expect0(Command command) {
    const CommandResult result = command.Run();
    EXPECT_EQ(result.exit_code, 0) << result;
  }

  std::vector<std::string> TlsArgs(const std::string& name) const {
    return {PortOf(rgw_.endpoint()), directory_ / (name + ".pem"), directory_ / (name + ".key")};
  }
  void ExpectNothing() const { EXPECT_EQ(rgw_.Keys(bucket_), std::vector<std::string>{}); }

  const Rgw& rgw_ = Rgw::Shared();
  const std::string bucket_ = rgw_.NewBucket();
  TempDir directory_;
};

TEST_F(S3Tls, BacksUpListsRestoresAndPrunes) {
  const std::string endpoint = rgw_.tls_endpoint();
  ASSERT_EQ(Backup(endpoint).Run().exit_code, 0);
  const CommandResult second = Backup(endpoint).Arg("--keep-last").Arg("1").Run();
  ASSERT_EQ(second.exit_code, 0) << second;
  EXPECT_EQ(rgw_.Keys(bucket_).size(), 2u) << second;
  const CommandResult list = At(endpoint, {"list", Url()}).Run();
  EXPECT_NE(list.out.find(".tar.gz"), std::string::npos) << list;
  const std::string target = directory_ / "target";
  const CommandResult restore = At(endpoint, {"restore", Url() + "latest", target}).Run();
  EXPECT_EQ(restore.exit_code, 0) << restore;
  EXPECT_EQ(ReadFile(target + "/file"), "contents");
}

TEST_F(S3Tls, ACertificateOfAnUnknownAuthorityIsRefused) {
  const CommandResult result = Backup(rgw_.tls_endpoint()).Env("AWS_CA_BUNDLE", "").Run();
  ExpectOneError(result, kExitS3, {"certificate is not trusted", "--ca-file", "AWS_CA_BUNDLE"});
  ExpectNothing();
}

TEST_F(S3Tls, TheOptionForTheAuthorityGoesBeforeTheEnvironment) {
  Command command = Backup(rgw_.tls_endpoint());
  command.Env("AWS_CA_BUNDLE", "/nonexistent").Arg("--ca-file").Arg(rgw_.ca_file());
  EXPECT_EQ(command.Run().exit_code, 0);
}

TEST_F(S3Tls, AnAuthorityThatCannotBeReadIsNamed) {
  const CommandResult result =
      Backup(rgw_.tls_endpoint()).Env("AWS_CA_BUNDLE", "/nonexistent.pem").Run();
  ExpectOneError(result, kExitS3, {"CA file", "/nonexistent.pem", "--ca-file"});
}

TEST_F(S3Tls, ACertificateForAnotherHostIsRefused) {
  MakeCertificate("other", "other.test");
  Relay relay("tls", TlsArgs("other"));
  const CommandResult result = Backup("https://localhost:" + relay.port()).Run();
  ExpectOneError(result, kExitS3, {"certificate is for another host", "AWS_ENDPOINT_URL"});
  ExpectNothing();
}

TEST_F(S3Tls, AnExpiredCertificateIsRefused) {
  MakeCertificate("old", "localhost", "-1");
  Relay relay("tls", TlsArgs("old"));
  const CommandResult result = Backup("https://localhost:" + relay.port()).Run();
  ExpectOneError(result, kExitS3, {"expired", "clock"});
  ExpectNothing();
}

TEST_F(S3Tls, SendsTheHostNameAsSni) {
  MakeCertificate("good", "localhost");
  Relay relay("tls", TlsArgs("good"));
  const CommandResult result = Backup("https://localhost:" + relay.port()).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(relay.Said().find("sni localhost\n"), std::string::npos);
}

TEST_F(S3Tls, ShowsAClientCertificateThatIsAskedFor) {
  MakeCertificate("good", "localhost");
  MakeCertificate("client", "volstream");
  std::vector<std::string> args = TlsArgs("good");
  args.push_back(rgw_.ca_file());
  Relay relay("tls", args);
  const std::string endpoint = "https://localhost:" + relay.port();
  Command with = Backup(endpoint);
  with.Arg("--client-cert").Arg(directory_ / "client.pem");
  with.Arg("--client-key").Arg(directory_ / "client.key");
  const CommandResult result = with.Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  // In TLS 1.3 the server's word comes when the client has begun to send, or is lost with that.
  const CommandResult without = Backup(endpoint).Run();
  ExpectOneError(without, kExitS3, {endpoint});
  Command missing = Backup(endpoint);
  missing.Arg("--client-cert").Arg("/nonexistent.pem").Arg("--client-key").Arg("/nonexistent.key");
  ExpectOneError(missing.Run(), kExitS3, {"client certificate", "--client-cert"});
}

TEST_F(S3Tls, AnEndpointWithoutTlsIsSaidToHaveNone) {
  const CommandResult result = Backup("https://localhost:" + PortOf(rgw_.endpoint())).Run();
  ExpectOneError(result, kExitS3, {"does not speak TLS", "http://"});
}

TEST_F(S3Tls, GoesThroughAProxyByConnect) {
  Relay relay("forward", {});
  const CommandResult result =
      Backup(rgw_.tls_endpoint()).Env("HTTPS_PROXY", "http://127.0.0.1:" + relay.port()).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(rgw_.Keys(bucket_).size(), 2u);
  EXPECT_NE(relay.Said().find("CONNECT localhost:" + PortOf(rgw_.tls_endpoint())),
            std::string::npos);
}

TEST_F(S3Tls, GoesThroughAProxyWithoutTls) {
  Relay relay("forward", {});
  const CommandResult result =
      Backup(rgw_.endpoint()).Env("http_proxy", "http://127.0.0.1:" + relay.port()).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(relay.Said().find("PUT " + rgw_.endpoint() + "/" + bucket_), std::string::npos);
}

TEST_F(S3Tls, NoProxyGoesPastTheProxy) {
  Relay relay("forward", {});
  Command command = Backup(rgw_.tls_endpoint());
  command.Env("HTTPS_PROXY", "http://127.0.0.1:" + relay.port()).Env("NO_PROXY", "localhost");
  const CommandResult result = command.Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(relay.Said(), "ready\n");
}

TEST_F(S3Tls, AProxyThatIsNotThereIsNamedWithoutItsPassword) {
  const std::string dead = "127.0.0.1:" + std::to_string(RefusingPort());
  for (const char* const scheme : {"http://", "ftp://"}) {
    const CommandResult result =
        Backup(rgw_.tls_endpoint()).Env("HTTPS_PROXY", scheme + ("user:hush@" + dead)).Run();
    ExpectOneError(result, kExitS3, {"proxy", dead, "HTTPS_PROXY", "NO_PROXY"});
    EXPECT_EQ((result.out + result.err).find("hush"), std::string::npos) << result;
  }
}

TEST_F(S3Tls, AProxyIsGivenItsUserAndPasswordAndNobodyElseIs) {
  Relay relay("forward", {"user:hush"});
  const std::string proxy = "127.0.0.1:" + relay.port();
  for (const std::string& endpoint : {rgw_.endpoint(), rgw_.tls_endpoint()}) {
    const auto through = [&](const std::string& login) {
      Command command = Backup(endpoint, endpoint == rgw_.endpoint() ? "plain" : "tls");
      command.Env("http_proxy", "http://" + login + proxy);
      command.Env("https_proxy", "http://" + login + proxy);
      return command.Run();
    };
    const CommandResult good = through("user:hush@");
    EXPECT_EQ(good.exit_code, 0) << good;
    const CommandResult bad = through("user:wrong@");
    ExpectOneError(bad, kExitS3, {"proxy", "407"});
    EXPECT_EQ((good.err + bad.err).find("hush"), std::string::npos);
    EXPECT_EQ(bad.err.find("wrong"), std::string::npos) << bad;
  }
}

}  // namespace
}  // namespace volstream
