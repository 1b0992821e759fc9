// HAPI's R4 JPA server in Tomcat over PostgreSQL: arguments are a port and a JDBC URL. No validation, subscriptions or full text.
package beside;

import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.binary.api.IBinaryStorageSvc;
import ca.uhn.fhir.jpa.binary.svc.NullBinaryStorageSvcImpl;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.PackageLoaderConfig;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirPostgresDialect;
import ca.uhn.fhir.jpa.provider.JpaSystemProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.searchparam.submit.config.SearchParamSubmitterConfig;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import jakarta.persistence.EntityManagerFactory;
import java.util.Properties;
import javax.sql.DataSource;
import org.apache.catalina.startup.Tomcat;
import org.apache.commons.dbcp2.BasicDataSource;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;

/** Starts the server and says so. */
public class Server {
    private static final int CONNECTIONS = 32;

    /** Serves under /fhir until it is ended. */
    public static void main(String[] arguments) throws Exception {
        System.setProperty("jdbc", arguments[1]);
        var house = new AnnotationConfigApplicationContext(House.class);
        var fhir = new RestfulServer(house.getBean(FhirContext.class));
        fhir.setDefaultResponseEncoding(EncodingEnum.JSON);
        fhir.registerProviders(house.getBean("myResourceProvidersR4", ResourceProviderFactory.class).createProviders());
        fhir.registerProvider(house.getBean("mySystemProviderR4", JpaSystemProvider.class));
        fhir.setPagingProvider(house.getBean(DatabaseBackedPagingProvider.class));
        var tomcat = new Tomcat();
        tomcat.setBaseDir(System.getProperty("java.io.tmpdir"));
        tomcat.setPort(Integer.parseInt(arguments[0]));
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        // Connections of those who measure are held open for as long as they ask.
        tomcat.getConnector().setProperty("maxKeepAliveRequests", "-1");
        tomcat.getConnector().setProperty("maxPostSize", "-1");
        // Those who search write system|code as it is.
        tomcat.getConnector().setProperty("relaxedQueryChars", "|");
        var context = tomcat.addContext("", null);
        Tomcat.addServlet(context, "fhir", fhir).setLoadOnStartup(1);
        context.addServletMappingDecoded("/fhir/*", "fhir");
        tomcat.start();
        tomcat.getServer().await();
    }

    /** What HAPI asks of whoever runs it. */
    @Configuration
    @Import({
        JpaR4Config.class,
        HapiJpaConfig.class,
        PackageLoaderConfig.class,
        JpaBatch2Config.class,
        Batch2JobsConfig.class,
        ThreadPoolFactoryConfig.class,
        SubscriptionChannelConfig.class,
        SubscriptionSubmitterConfig.class,
        SearchParamSubmitterConfig.class
    })
    public static class House {
        @Bean
        public JpaStorageSettings storageSettings() {
            var found = new JpaStorageSettings();
            found.setEnforceReferentialIntegrityOnWrite(false);
            found.setMassIngestionMode(true);
            found.setHibernateSearchIndexFullText(false);
            found.setResourceClientIdStrategy(JpaStorageSettings.ClientIdStrategyEnum.ANY);
            return found;
        }

        @Bean
        public SubscriptionSettings subscriptionSettings() {
            return new SubscriptionSettings();
        }

        @Bean
        public PartitionSettings partitionSettings() {
            return new PartitionSettings();
        }

        @Bean
        public IBinaryStorageSvc binaryStorage() {
            return new NullBinaryStorageSvcImpl();
        }

        @Bean
        public DataSource dataSource() {
            var found = new BasicDataSource();
            found.setUrl(System.getProperty("jdbc"));
            found.setMaxTotal(CONNECTIONS);
            found.setMaxIdle(CONNECTIONS);
            return found;
        }

        @Bean
        public LocalContainerEntityManagerFactoryBean entityManagerFactory(
                ConfigurableListableBeanFactory beans, FhirContext fhir, JpaStorageSettings settings, DataSource data) {
            var found = HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, fhir, settings);
            found.setPersistenceUnitName("HAPI_PU");
            found.setDataSource(data);
            var said = new Properties();
            said.put("hibernate.dialect", HapiFhirPostgresDialect.class.getName());
            said.put("hibernate.hbm2ddl.auto", "update");
            said.put("hibernate.search.enabled", "false");
            said.put("hibernate.jdbc.batch_size", "30");
            said.put("hibernate.cache.use_query_cache", "false");
            said.put("hibernate.cache.use_second_level_cache", "false");
            said.put("hibernate.cache.use_structured_entries", "false");
            said.put("hibernate.cache.use_minimal_puts", "false");
            found.setJpaProperties(said);
            return found;
        }

        @Bean
        @Primary
        public JpaTransactionManager transactionManager(EntityManagerFactory factory) {
            return new JpaTransactionManager(factory);
        }
    }
}
